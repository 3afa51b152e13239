"""What is in a data folder: what is there, what is missing, what is damaged, where to get it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from posekit.data import cmu, coco, human36m, lsp, mpi_inf_3dhp, mpii, muco, mupots, spin, threedpw
from posekit.data.human36m.files import ACTIONS, CAMERAS, SOURCE, SUBJECTS
from posekit.data.human36m.frames import SOURCES
from posekit.data.human36m.pictures import check_pictures

BAD = ("missing", "damaged", "wrong")


@dataclass(frozen=True)
class Item:
    """One line of a report."""

    what: str
    state: str  # "ok", "note" or one of BAD
    detail: str


@dataclass(frozen=True)
class Report:
    """All that was found in a folder; `str` makes a table of it."""

    name: str
    folder: Path
    items: tuple[Item, ...]

    @property
    def ok(self) -> bool:
        """Whether the whole data set is there and readable."""
        return not any(item.state in BAD for item in self.items)

    def __str__(self) -> str:
        width = max(len(item.what) for item in self.items)
        rows = [f"  {item.state:8}{item.what:{width}}  {item.detail}" for item in self.items]
        verdict = "complete" if self.ok else "not complete"
        return "\n".join([f"{self.name} in {self.folder}: {verdict}", *rows])


def check(name: str, folder: Path | str) -> Report:
    """Read everything of the data set `name` in `folder` and say what is there.

    Trouble with the data goes into the report; ValueError only for an unknown `name`.
    """
    if name not in CHECKS:
        raise ValueError(f"no data set {name!r}; those that can be checked are {sorted(CHECKS)}")
    return Report(name, Path(folder), tuple(CHECKS[name](Path(folder))))


def check_human36m(folder: Path) -> Iterator[Item]:
    """Human3.6M in any of its four preparations, with each detector's 2D poses and its pictures."""
    try:
        preparation = human36m.find_preparation(folder)
    except FileNotFoundError as error:
        yield Item("preparation", "missing", str(error))
        return
    except ValueError as error:
        yield Item("preparation", "wrong", str(error))
        return
    yield Item("preparation", "ok", preparation)
    whole = []
    for group in READ_TOGETHER[preparation]:
        for item in _check_subjects(folder, preparation, group):
            if item.state == "ok":
                whole.append(item.what)
            yield item
    for detections in sorted(_detections(folder) - {"gt"}):
        yield _check_detections(folder, preparation, detections, tuple(whole))
    if preparation in SOURCES:
        subjects = [subject for group in READ_TOGETHER[preparation] for subject in group]
        for row in check_pictures(folder, preparation, subjects):
            yield Item(*row)


def check_cmu(folder: Path) -> Iterator[Item]:
    """The CMU motion capture database: every motion of every performer there."""
    try:
        performers = cmu.performers(folder)
    except (FileNotFoundError, ValueError) as error:
        yield Item("skeletons", "missing" if isinstance(error, OSError) else "wrong", str(error))
        return
    for performer in performers:
        try:
            skeleton = cmu.read_skeleton(cmu.skeleton_file(folder, performer))
            files = cmu.motion_files(folder, performer)
        except (FileNotFoundError, ValueError) as error:
            state = "missing" if isinstance(error, OSError) else "damaged"
            yield Item(f"performer {performer}", state, str(error))
            continue
        lengths = []
        for file in files:
            try:
                lengths.append(len(cmu.read_joints(file, skeleton)))
            except ValueError as error:
                yield Item(f"motion {file.stem}", "damaged", str(error))
        detail = f"{len(lengths)} motions, {sum(lengths):,} frames"
        yield Item(f"performer {performer}", "ok" if lengths else "damaged", detail)
    yield Item("acknowledge", "note", cmu.ACKNOWLEDGEMENT)


def check_mpii(folder: Path) -> Iterator[Item]:
    """MPII's annotations in any of their forms, and whether their pictures are there."""
    return (Item(*row) for row in mpii.check_mpii(folder))


def _check_subjects(folder: Path, preparation: str, subjects: tuple[str, ...]) -> Iterator[Item]:
    """The subjects that share a file: all their takes in 3D, with the true 2D poses."""
    frames: Counter[str] = Counter()
    keys = set()
    try:
        for recording in human36m.recordings(folder, preparation, subjects=subjects):
            frames[recording.subject] += len(recording.pose3d)
            keys.add(recording.key)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        yield Item(" ".join(subjects), "missing", str(error))
        return
    except ValueError as error:
        yield Item(" ".join(subjects), "damaged", str(error))
        return
    for subject in subjects:
        missing = human36m.missing_takes(keys, [subject])
        there = sum(key[0] == subject for key in keys)
        if missing:
            whole = 2 * len(ACTIONS) * len(CAMERAS)
            names = ", ".join(
                f"{action} {take} {camera}" for _, action, take, camera in missing[:3]
            )
            detail = f"{there} of {whole} recordings; missing {names}{', ...' * (len(missing) > 3)}"
            yield Item(subject, "missing", f"{detail}; {SOURCE}")
        else:
            yield Item(subject, "ok", f"{there} recordings, {frames[subject]:,} frames")


def _check_detections(
    folder: Path, preparation: str, detections: str, subjects: tuple[str, ...]
) -> Item:
    """A detector's poses of the subjects whose 3D poses are whole."""
    what = f"2D {detections}"
    if not subjects:
        return Item(what, "note", "not read: no subject is whole in 3D")
    try:
        found = human36m.recordings(folder, preparation, detections, subjects)
        keys = {recording.key for recording in found}
    except FileNotFoundError as error:
        return Item(what, "missing", str(error))
    except ValueError as error:
        return Item(what, "damaged", str(error))
    if missing := human36m.missing_takes(keys, subjects):
        return Item(what, "missing", f"{len(missing)} recordings, for example {missing[0]}")
    return Item(what, "ok", f"{len(keys)} recordings of {' '.join(subjects)}")


def _detections(folder: Path) -> set[str]:
    npz = {file.stem.removeprefix("data_2d_h36m_") for file in folder.glob("data_2d_h36m_*.npz")}
    return npz | {file.stem.split("_")[1] for file in folder.glob("twoDPose_*_*.npy")}


READ_TOGETHER = {  # subjects whose poses are in one file stand or fall together
    "videopose3d": (SUBJECTS,),
    "martinez": (SUBJECTS[:5], SUBJECTS[5:]),
    "3dmppe": tuple((subject,) for subject in SUBJECTS),
    "raw": tuple((subject,) for subject in SUBJECTS),
}
CHECKS: dict[str, Callable[[Path], Iterator[Item]]] = {
    "human36m": check_human36m,
    "cmu": check_cmu,
    "mpii": check_mpii,
    "coco": lambda folder: (Item(*row) for row in coco.check(folder)),
    "muco": lambda folder: (Item(*row) for row in muco.check(folder)),
    "mpi_inf_3dhp": lambda folder: (Item(*row) for row in mpi_inf_3dhp.check(folder)),
    "mupots": lambda folder: (Item(*row) for row in mupots.check(folder)),
    "lsp": lambda folder: (Item(*row) for row in lsp.check(folder)),
    "3dpw": lambda folder: (Item(*row) for row in threedpw.check(folder)),
    "spin": lambda folder: (Item(*row) for row in spin.check(folder)),
}
