"""Published networks as one of a run's data sets: checkpoints that `convert-checkpoint` made.

A study tests them beside the networks that it trains (`posekit.training.published_networks`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from posekit.data.people import Row
from posekit.models import checkpoint
from posekit.models.checkpoint import ENDING, About
from posekit.system import file_digest

REMEDY = "`posekit data convert-checkpoint FILE` makes one of published weights"
LONGEST = 80  # characters of a subject


@dataclass(frozen=True)
class Published:
    """A converted checkpoint; its file's SHA-256 is its fingerprint, so no path is in a record."""

    path: Path
    about: About
    subject: str  # what the records and tables call it; no claim is about such a name
    name: str = "published weights"

    @property
    def version(self) -> str:
        """The project that the weights are from."""
        return project(self.about)

    @cached_property
    def _digest(self) -> str:
        return file_digest(self.path)

    def fingerprint(self) -> str:
        """The SHA-256 of the file."""
        return self._digest


def project(about: About) -> str:
    """The name of the project that a converted checkpoint is from, without that of its file."""
    return _plain(about.origin.partition(" (")[0])


def read(place: Path) -> list[Published]:
    """The checkpoint at `place`, or all in this folder.

    FileNotFoundError where a folder has none; ValueError naming the file for one that is damaged,
    no checkpoint, or not made of published weights. Two of one project get their files' names.
    """
    found = [Published(path, about, _subject(project(about))) for path, about in _abouts(place)]
    names = [each.subject for each in found]
    return [
        replace(each, subject=_subject(f"{project(each.about)} {_plain(each.path.stem)}"))
        if names.count(each.subject) > 1
        else each
        for each in found
    ]


def kinds(place: Path) -> list[str]:
    """The kinds of the networks at `place`, as `posekit.models.checkpoint` names them; none without
    a checkpoint. Errors as `read`."""
    try:
        return sorted({each.about.kind for each in read(place)})
    except FileNotFoundError:
        return []


def check(place: Path) -> Iterator[Row]:
    """Lines on each checkpoint at `place`, a file or a folder."""
    try:
        paths = _paths(place)
    except FileNotFoundError as error:
        yield Row("checkpoints", "missing", str(error))
        return
    for path in paths:
        try:
            about = _about(path)
        except ValueError as error:
            yield Row(path.name, "wrong", str(error))
        else:
            about = f"{project(about)}, {about.kind} network, {about.skeleton}, {about.side} px"
            yield Row(path.name, "ok", about)


def _abouts(place: Path) -> Iterator[tuple[Path, About]]:
    for path in _paths(place):
        yield path, _about(path)


def _paths(place: Path) -> list[Path]:
    found = [place] if place.is_file() else sorted(place.glob(f"*{ENDING}"))
    if not found:
        raise FileNotFoundError(f"there is no {ENDING} file in {place}: {REMEDY}")
    return found


def _about(path: Path) -> About:
    if path.suffix != ENDING:
        raise ValueError(f"{path} is no {ENDING} file: {REMEDY}")
    about = checkpoint.read_about(path)
    if not about.source:
        raise ValueError(f"{path} is not made of published weights: {REMEDY}")
    return about


def _plain(text: str) -> str:
    """Text of a file in a record: without what separates there, and of bounded length."""
    return re.sub(r"[^\w .,+'-]+", "-", text)[:LONGEST].strip() or "network"


def _subject(name: str) -> str:
    return f"{name}, published weights"
