"""Volumes seen from the front and from above."""

import torch

from posekit.figures.overlay import slices
from posekit.geometry.skeleton import H36M17
from posekit.models.integral import from_voxels


def test_marks_lie_where_the_volume_is_and_where_the_truth_is():
    logits = torch.zeros(17, 8, 4, 4)
    wrist = H36M17.joints.index("right_wrist")
    logits[wrist, 6, 1, 3] = 50.0
    true = from_voxels(torch.tensor([[[0.0, 2.0, 1.0]]]), (8, 4, 4))[0].expand(17, 3)
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    drawing = slices(image, logits, true, H36M17, ("right_wrist", "head"))
    front, _, above, _ = drawing.axes
    marks = [tuple(c.get_offsets().data[0]) for c in above.collections if c.get_offsets().size]
    assert marks[-2:] == [(3.0, 6.0), (0.0, 1.0)]  # x across, depth down
    marks = [tuple(c.get_offsets().data[0]) for c in front.collections if c.get_zorder() == 5]
    assert marks == [(55.5, 23.5), (7.5, 39.5)]  # the middle of a cell of 16 px
    assert above.get_ylabel() and above.get_yticklabels()[0].get_text() == "-1000"
