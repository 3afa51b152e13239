"""Files that are written whole or not at all, names of files, devices, memory, progress bars."""

import contextlib
import ctypes
import hashlib
import os
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]  # of the repository, where posekit is a clone
UNTIL = "POSEKIT_UNTIL"  # environment variable: when to stop, in seconds since 1970


class OutOfTime(Exception):
    """What was to be done is not: the time that there was for it is up. It can go on later."""


def time_is_up() -> bool:
    """Whether the moment of POSEKIT_UNTIL has come."""
    return time.time() >= float(os.environ.get(UNTIL) or "inf")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file and put it in the place of `path` in one step.

    Whatever goes wrong, a kill and a full disk too, the old file stays as it was; only a kill leaves
    the temporary one. Raises OSError naming the path and the remedy when it can't be written.
    """
    part = path.with_name(f".{uuid.uuid4().hex[:16]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch.save raises RuntimeError on a full disk
        raise OSError(
            f"can't write {path}: {error}; free some space, mend its permissions, or choose "
            "another folder. Nothing already written was lost"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not every system can
        _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Put `text` in `path` as UTF-8, whole or not at all; "?" for what UTF-8 can't express."""
    content = text.encode("utf-8", "replace")
    write_whole(path, lambda part: part.write_bytes(content))


def write_sealed(path: Path, content: bytes) -> None:
    """Put bytes in `path` behind their SHA-256, whole or not at all."""
    head = hashlib.sha256(content).hexdigest().encode() + b"\n"
    write_whole(path, lambda part: part.write_bytes(head + content))


def read_sealed(path: Path) -> bytes:
    """The bytes that `write_sealed` wrote; ValueError where a single bit of them is another."""
    head, _, content = path.read_bytes().partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != head:
        raise ValueError(f"{path} is damaged: its bytes are not those that were written")
    return content


def need_file(path: Path, what: str = "file", source: str = "") -> Path:
    """`path`; FileNotFoundError, naming `what` is wanted, where nothing or a folder is.

    `source` says where to get the file.
    """
    remedy = f": {source}" if source else ""
    if path.is_dir():
        remedy = remedy or f": name the {what} itself"
        raise FileNotFoundError(f"{path} is a folder, not a {what}{remedy}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no {what} {path}{remedy}")
    return path


def need_folder(path: Path, where: str = "", whose: str = "") -> None:
    """FileNotFoundError or NotADirectoryError where there is no folder.

    `where` begins the message, `whose` says what the folder is for.
    """
    if path.is_file():
        raise NotADirectoryError(f"{where}{path} is a file, not a folder{whose}: name its folder")
    if not path.is_dir():
        raise FileNotFoundError(f"{where}there is no folder {path}{whose}")


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_folder(folder: Path, remedy: str) -> None:
    """OSError with the remedy where no file can be written in `folder`, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise OSError(f"can't write in {folder}: {error}; {remedy}") from error


def shown(name: Path | str) -> str:
    """The name of a file as text for people and json: "\ufffd" for what can't be printed."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


@contextlib.contextmanager
def plain_path(path: Path, ending: str = "") -> Iterator[str]:
    """Another path to the same file, there or yet to be written: a link of letters and digits.

    For libraries to which a name is a language: OpenCV and FFmpeg take a colon for a protocol, % for
    numbered pictures, and bytes that are no UTF-8 end the process. The link has the `ending`, or
    the path's own.
    """
    ending = ending or path.suffix
    with tempfile.TemporaryDirectory(prefix="posekit-") as folder:
        link = Path(folder, "file" + (ending if re.fullmatch(r"\.[A-Za-z0-9]+", ending) else ""))
        link.symlink_to(path.absolute())
        yield str(link)


def pick_device(name: str = ""):
    """The torch.device of that name, or the best there is; a CPU gets its allocator tuned.

    Raises ValueError when the device asked for is not there.
    """
    import torch  # here, for it takes a second, which `posekit --help` need not wait for

    if not name:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"no device {name!r} here ({error}); leave `device` empty") from error
    if name == "cpu":
        keep_freed_memory()
    return torch.device(name)


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks: without it, page faults take up to half of a CPU step."""
    if sys.platform != "linux":
        return
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def watch_memory(device: str) -> Callable[[], float]:
    """A function that tells the most memory, MB, held since this call: on a GPU by torch, else by
    this process. Where the system can't count anew (only Linux can), since the process began.
    """
    import resource  # here, for Windows has none

    import torch  # here as in `pick_device`

    if device.startswith("cuda") and torch.cuda.is_available():
        if torch.cuda.is_initialized():  # else there is nothing yet, and cuda:1 is an error
            torch.cuda.reset_peak_memory_stats(device)
        return lambda: torch.cuda.max_memory_allocated(device) / 2**20
    try:
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM is now what is held now
    except OSError:
        return lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    status = Path("/proc/self/status")  # ru_maxrss is not set back by this
    return lambda: int(re.search(r"VmHWM:\s*(\d+)", status.read_text())[1]) / 2**10


class _Lines:
    """A stream for tqdm where no terminal redraws a line: one whole line an update."""

    def write(self, text: str) -> None:
        if text := text.strip("\r\n"):
            sys.stderr.write(text + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def progress(steps: Iterable, label: str, total: int | None = None, done: int = 0) -> Iterable:
    """`steps` with a progress bar: redrawn on a screen, a line every 10 s in a log file."""
    if os.environ.get("POSEKIT_HEADLESS") or not (_in_notebook() or sys.stderr.isatty()):
        style = {"file": _Lines(), "delay": 5, "mininterval": 10, "maxinterval": 10, "ncols": 90}
        return tqdm(steps, label, total, initial=done, **style)
    style = {"leave": False, "ncols": 90, "file": sys.stderr}
    if _in_notebook():
        # Text: a widget leaves "model not found" where one was saved. One line for all bars: a
        # notebook cannot go back up to an outer bar, and would show a line for each update.
        style |= {"file": sys.stdout, "position": 0}
    return tqdm(steps, label, total, initial=done, **style)


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return bool(shell and shell.get_ipython() is not None)
