"""Reports on data folders: what is there, what is missing, what is damaged, where to get it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from posekit.data import (
    cmu,
    coco,
    human36m,
    lsp,
    mpi_inf_3dhp,
    mpii,
    muco,
    mupots,
    pascal_voc,
    pose2sim,
    published,
    spin,
    threedpw,
)
from posekit.data.formats import smpl
from posekit.data.human36m.files import ACTIONS, CAMERAS, SOURCE, SUBJECTS
from posekit.data.human36m.frames import SOURCES
from posekit.data.human36m.pictures import check_pictures
from posekit.data.people import Row

BAD = ("missing", "damaged", "wrong")


@dataclass(frozen=True)
class Report:
    """All that a folder has and lacks of a data set; `str` makes a table of it."""

    name: str
    folder: Path
    items: tuple[Row, ...]

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
    """Read all labels of the data set `name` in `folder` and report what is there.

    Trouble with the data goes into the report; ValueError only for an unknown `name`.
    """
    if name not in CHECKS:
        raise ValueError(f"no data set {name!r}; those that can be checked are {sorted(CHECKS)}")
    folder = Path(folder)
    return Report(name, folder, tuple(Row(*row) for row in CHECKS[name](folder)))


def check_human36m(folder: Path) -> Iterator[Row]:
    """Human3.6M in any of its four preparations, with each detector's 2D poses and its pictures."""
    try:
        preparation = human36m.find_preparation(folder)
    except (FileNotFoundError, ValueError) as error:
        yield Row("preparation", "missing" if isinstance(error, OSError) else "wrong", str(error))
        return
    yield Row("preparation", "ok", preparation)
    whole = []
    for subjects in READ_TOGETHER[preparation]:
        for row in _check_subjects(folder, preparation, subjects):
            whole += [row[0]] if row[1] == "ok" else []
            yield row
    for detections in sorted(_detections(folder) - {"gt"}):
        yield _check_detections(folder, preparation, detections, tuple(whole))
    if preparation in SOURCES:
        yield from check_pictures(folder, preparation, whole)


def check_cmu(folder: Path) -> Iterator[Row]:
    """The CMU motion capture database: every motion of every performer there."""
    try:
        performers = cmu.skeletons(folder)
    except (FileNotFoundError, ValueError) as error:
        yield Row("skeletons", "missing" if isinstance(error, OSError) else "wrong", str(error))
        return
    for performer, file in performers.items():
        try:
            read = cmu.reader(file)
            files = cmu.motion_files(performer, file)
        except (FileNotFoundError, ValueError) as error:
            state = "missing" if isinstance(error, OSError) else "damaged"
            yield Row(f"performer {performer}", state, str(error))
            continue
        lengths = []
        for file in files:
            try:
                lengths.append(len(read(file)[0]))
            except ValueError as error:
                yield Row(f"motion {file.stem}", "damaged", str(error))
        detail = f"{len(lengths)} motions, {sum(lengths):,} frames"
        yield Row(f"performer {performer}", "ok" if lengths else "damaged", detail)
    yield Row("acknowledge", "note", cmu.ACKNOWLEDGEMENT)


def check_smpl(folder: Path) -> Iterator[Row]:
    """SMPL's body of each gender; only 3DPW needs the male and the female one."""
    for gender in smpl.GENDERS:
        try:
            body = smpl.load(folder, gender)
        except FileNotFoundError as error:
            state = "missing" if gender == "NEUTRAL" else "note"
            yield Row(gender.lower(), state, f"{error}: {smpl.SOURCE}")
            if gender == "NEUTRAL":
                return
        except ValueError as error:
            yield Row(gender.lower(), "wrong", str(error))
        else:
            detail = f"{len(body.template):,} vertices, {body.shapes} shape coefficients"
            yield Row(gender.lower(), "ok", detail)


def _check_subjects(folder: Path, preparation: str, subjects: tuple[str, ...]) -> Iterator[Row]:
    """The subjects that share a file: all their takes in 3D, with the true 2D poses."""
    frames: Counter[str] = Counter()
    keys = set()
    try:
        for recording in human36m.recordings(folder, preparation, subjects=subjects):
            frames[recording.subject] += len(recording.pose3d)
            keys.add(recording.key)
    except (FileNotFoundError, ModuleNotFoundError, ValueError) as error:
        state = "damaged" if isinstance(error, ValueError) else "missing"
        yield Row(" ".join(subjects), state, str(error))
        return
    for subject in subjects:
        there = sum(key[0] == subject for key in keys)
        if not (missing := human36m.missing_takes(keys, [subject])):
            yield Row(subject, "ok", f"{there} recordings, {frames[subject]:,} frames")
            continue
        names = ", ".join(" ".join(map(str, key[1:])) for key in missing[:3])
        more = ", ..." * (len(missing) > 3)
        whole = 2 * len(ACTIONS) * len(CAMERAS)
        yield Row(
            subject, "missing", f"{there} of {whole} recordings; missing {names}{more}; {SOURCE}"
        )


def _check_detections(
    folder: Path, preparation: str, detections: str, subjects: tuple[str, ...]
) -> Row:
    """A detector's poses of the subjects whose 3D poses are whole."""
    what = f"2D {detections}"
    if not subjects:
        return Row(what, "note", "not read: no subject is whole in 3D")
    try:
        found = human36m.recordings(folder, preparation, detections, subjects)
        keys = {recording.key for recording in found}
    except (FileNotFoundError, ValueError) as error:
        return Row(what, "missing" if isinstance(error, OSError) else "damaged", str(error))
    if missing := human36m.missing_takes(keys, subjects):
        return Row(what, "missing", f"{len(missing)} recordings, for example {missing[0]}")
    return Row(what, "ok", f"{len(keys)} recordings of {' '.join(subjects)}")


def _detections(folder: Path) -> set[str]:
    npz = {file.stem.removeprefix("data_2d_h36m_") for file in folder.glob("data_2d_h36m_*.npz")}
    return npz | {file.stem.split("_")[1] for file in folder.glob("twoDPose_*_*.npy")}


READ_TOGETHER = {  # subjects whose poses are in one file stand or fall together
    "videopose3d": (SUBJECTS,),
    "martinez": (SUBJECTS[:5], SUBJECTS[5:]),
    "3dmppe": tuple((subject,) for subject in SUBJECTS),
    "raw": tuple((subject,) for subject in SUBJECTS),
}
CHECKS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "human36m": check_human36m,
    "cmu": check_cmu,
    "mpii": mpii.check,
    "coco": coco.check,
    "muco": muco.check,
    "mpi_inf_3dhp": mpi_inf_3dhp.check,
    "mupots": mupots.check,
    "lsp": lsp.check,
    "lspet": lsp.check_photographs,
    "pose2sim": pose2sim.check,
    "threedpw": threedpw.check,
    "smpl": check_smpl,
    "spin": spin.check,
    "voc": pascal_voc.check,
    "published": published.check,
}
