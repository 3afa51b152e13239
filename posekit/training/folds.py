"""Cross-validation over people: each performer's poses lifted by a network that never saw them."""

import torch

from posekit.data.poses import PoseSet
from posekit.metrics.protocols import PROTOCOLS
from posekit.training.experiment import Row, Session
from posekit.training.lifting import Lifting, lift

FOLDS = 4  # at most: CMU has 144 performers, and a lifter for each would take hours


class Folds(Lifting):
    """Test on each performer of a data set a lifter that was trained on performers of other folds.

    Performers go to the folds in turn, by name; with `FOLDS` of them or fewer, each is one. The only
    test set is the training set.
    """

    def run(self, session: Session, train: PoseSet, *tests: PoseSet) -> list[Row]:
        performers = sorted(train.frames["subject"].astype(str).unique())
        pred = torch.zeros_like(train.pose3d)
        for number in range(min(FOLDS, len(performers))):
            own = train.frames["subject"].isin(performers[number::FOLDS]).to_numpy(copy=True)
            lifter = self.trained(session, train.where(~own), str(number or ""))
            pred[torch.from_numpy(own)] = lift(lifter, train.where(own).pose2d)
        return session.measure(PROTOCOLS, train.name, pred, train.centred, train.frames)
