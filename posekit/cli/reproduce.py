"""Run a paper's notebook headlessly with papermill, and keep what came out if it came out whole.

A notebook says in its metadata which paper it reproduces, which data sets it can read, and the kind
of its networks: {"posekit": {"paper": "tran2022", "data": ["cmu", "human36m"], "kind": "lifting"}}.
Its cell tagged `parameters` is its whole configuration.
"""

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import nbformat
import papermill
import zmq
from nbconvert import HTMLExporter
from traitlets.config import Config

from posekit.cli import RESULTS
from posekit.data import folders, split
from posekit.data.check import CHECKS
from posekit.data.published import kinds as published_kinds
from posekit.system import ROOT, UNTIL, OutOfTime, check_folder, pick_device, write_text
from posekit.training import cluster, processes
from posekit.training.runs import cache_folder
from posekit.training.settings import SIZES

NOTEBOOKS = ROOT / "notebooks"

# A kernel warns at every start if what it says goes over the wire in the open.
ENCRYPTION = {"transport_encryption": "auto" if zmq.has("curve") else "disabled"}


def notebooks() -> dict[str, Path]:
    """Paper -> notebook, in the notebooks' own words."""
    found = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if paper := _metadata(path).get("paper"):
            found[paper] = path
    return found


def _metadata(notebook: Path) -> Mapping:
    """What a notebook says of itself."""
    return nbformat.read(notebook, 4).metadata.get("posekit", {})


def paper_of(name: str) -> str:
    """The id of a paper from its id or its notebook's name, in any case.

    ValueError names the papers there are.
    """
    known = notebooks()
    ids = {path.stem.lower(): paper for paper, path in known.items()}
    ids |= {paper.lower(): paper for paper in known}
    if name.lower() not in ids:
        there = ", ".join(f"{paper} ({path.stem})" for paper, path in known.items())
        raise ValueError(f"no notebook for paper {name!r}; there are {there}")
    return ids[name.lower()]


def folder_for(out: Path | None, papers: Sequence[str], size: str, seeds: int) -> Path:
    """The folder that a run writes to; results of more work are never replaced by those of less.

    Without `out` this is `results`, or `results-smoke`, or where `results` holds one of these
    papers at a larger size or with more seeds, `results-SIZE-SEEDS-seeds` beside it. ValueError if
    it is `out` that holds them.
    """
    folder = out or (ROOT / "results-smoke" if size == "smoke" else RESULTS)
    for paper in papers:
        held = published(folder / "executed" / f"{paper}.ipynb")
        if held and held > (SIZES.index(size), seeds):
            what = f"{paper} at size {SIZES[held[0]]} with {held[1]} seeds"
            if out:
                raise ValueError(
                    f"{out} holds {what}, which {seeds} seeds at size {size} would replace; "
                    "choose another --out"
                )
            return ROOT / f"results-{size}-{seeds}-seeds"
    return folder


def published(executed: Path) -> tuple[int, int] | None:
    """Size (its place in SIZES) and seeds that an executed notebook was run with, None without."""
    if not executed.is_file():
        return None
    for cell in nbformat.read(executed, 4).cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            given = dict(re.findall(r"^(size|seeds) = (.+)$", cell.source, re.MULTILINE))
            if given.keys() == {"size", "seeds"}:
                return SIZES.index(given["size"].strip("\"'")), int(given["seeds"])
    return None


def shares(chosen: Mapping[str, Path], parameters: Mapping) -> dict[str, dict]:
    """For each paper the parameters that its notebook has, with the data sets that it reads.

    Published networks go to the notebooks of their kind. ValueError names a parameter or a data set
    that no notebook of these has: papermill would run on without the one, and the notebook stop at
    the other.
    """
    known = {paper: papermill.inspect_notebook(str(path)) for paper, path in chosen.items()}
    reads = {paper: _metadata(path).get("data", []) for paper, path in chosen.items()}
    every = dict.fromkeys(name for names in known.values() for name in names)
    books = ", ".join(path.name for path in chosen.values())
    if unknown := sorted(set(parameters) - set(every)):
        raise ValueError(
            f"{books}: there is no parameter {', '.join(unknown)}; there are {', '.join(every)}"
        )
    places = split(parameters.get("data", ""), CHECKS)
    if "published" in places:
        _keep_to_kinds(Path(places["published"]), chosen, reads)
    for name in places:
        if not any(name in names for names in reads.values()):
            raise ValueError(f"{books}: nothing here reads {name}")
    given = {}
    for paper in chosen:
        own = {name: value for name, value in parameters.items() if name in known[paper]}
        data = [f"{name}={place}" for name, place in places.items() if name in reads[paper]]
        given[paper] = own | ({"data": ",".join(data)} if "data" in own else {})
    return given


def _keep_to_kinds(place: Path, chosen: Mapping[str, Path], reads: Mapping[str, list]) -> None:
    """Take "published" from what notebooks of other kinds of networks read than those at `place`.

    ValueError where none of them has networks of these kinds; errors as `posekit.data.published`.
    """
    if not place.exists() or not (kinds := published_kinds(place)):
        return  # `check_inputs` says what is missing
    wanted = {paper: _metadata(path).get("kind", "") for paper, path in chosen.items()}
    for paper in chosen:
        if "published" in reads[paper] and wanted[paper] not in kinds:
            reads[paper] = [name for name in reads[paper] if name != "published"]
    if not set(wanted.values()) & set(kinds):
        books = ", ".join(f"{path.name} has {wanted[paper]}" for paper, path in chosen.items())
        raise ValueError(f"published={place} is of kind {', '.join(kinds)}; {books}")


def check_inputs(parameters: Mapping) -> None:
    """Refuse a data folder or a device that a notebook could not use, before anything runs.

    ValueError or FileNotFoundError says which and why. That a folder holds all of a data set is not
    checked here, `posekit data check` does that: it may take minutes.
    """
    pick_device(parameters["device"])
    for name, folder in folders(parameters["data"], CHECKS).items():
        trouble = []
        for what, state, detail in CHECKS[name](folder):
            if state == "ok":  # a part that is there: a notebook may need no other
                break
            trouble.append(f"{what} {state}: {detail}")
        else:
            raise ValueError(f"data: {name}={folder}: {trouble[0]}")


def asked(papers: Sequence[str] | None, size: str, data: Sequence[str] | None) -> tuple:
    """The papers of these names (all without), and the parameters of a size and these data sets.

    ValueError for a size or a paper that there is not; errors as `posekit.data.folders`.
    """
    if size not in SIZES:
        raise ValueError(f"no size {size!r}; there are {', '.join(SIZES)}")
    chosen = [paper_of(name) for name in papers or notebooks()]
    # Word by word: a new --data begins a new name, known or not. Absolute: a notebook runs elsewhere.
    named = [each for word in data or [] for each in folders(word, CHECKS).items()]
    text = ",".join(f"{name}={folder.resolve()}" for name, folder in named)
    return chosen, {"size": size, "seeds": 1, "data": text}


def prepare(papers: Sequence[str], parameters: Mapping) -> Iterator[str]:
    """Run the cells of notebooks that read pictures; yields what is kept after each paper.

    Those are the cells up to the last one that reads data before the first training.
    """
    books = {paper: notebooks()[paper] for paper in papers}
    for paper, given in shares(books, parameters).items():
        book = nbformat.read(books[paper], 4)
        sources = [cell.source if cell.cell_type == "code" else "" for cell in book.cells]
        trained = next((n for n, text in enumerate(sources) if ".train(" in text), len(sources))
        reads = [n for n, text in enumerate(sources[:trained]) if "study.data" in text]
        book.cells = book.cells[: max(reads, default=-1) + 1]
        with tempfile.TemporaryDirectory(prefix="posekit-") as name:
            part = Path(name) / books[paper].name
            nbformat.write(book, part)
            _run(part, part.with_suffix(".out.ipynb"), given | {"out": ""}, books[paper].parent)
        places = [path for path in (cache_folder() / "pictures").glob("*/*") if path.is_file()]
        size = sum(path.stat().st_size for path in places) / 1e9
        yield f"{paper}: its pictures are kept; {size:.2f} GB in {cache_folder() / 'pictures'}"


def command(
    notebook: Path, parameters: Mapping, *, on: str = "", together: int = 1, hours: float = 0
) -> str:
    """The papermill command that does the same by hand, from any folder and without activation.

    Before it are the environment variables of what is done elsewhere (`on`), by several processes
    `together`, or within some `hours`, which count from when the command begins.
    """
    before = [f"{cluster.ON}={shlex.quote(on)}"] if on else []
    before += [f"{processes.PROCESSES}={together}"] if together > 1 else []
    before += [f'{UNTIL}="$(($(date +%s) + {round(3600 * hours)}))"'] if hours else []
    words = [
        sys.executable,
        "-m",
        "papermill",
        notebook,
        f"{notebook.stem}-out.ipynb",
        "--cwd",
        notebook.parent,
    ]
    for name, value in parameters.items():
        words += ["-p", name, value]
    return " ".join([*before, shlex.join(map(str, words))])


def reproduce(paper: str, parameters: Mapping, out: Path) -> Path:
    """Run the notebook of `paper` and return its executed copy, `out`/executed/PAPER.ipynb.

    The copy appears only when every cell ran. RuntimeError tells which cell did not, OutOfTime what
    is left when the time is up; what had been trained until then is kept, and the next call goes on
    from there.
    """
    notebook = notebooks()[paper_of(paper)]
    parameters = shares({paper: notebook}, parameters)[paper]
    executed = out / "executed" / f"{paper}.ipynb"
    part = executed.with_suffix(".part.ipynb")
    check_folder(part.parent, "choose another --out")
    os.environ["POSEKIT_HEADLESS"] = "1"
    _run(notebook, part, parameters)
    book = nbformat.read(part, 4)
    _check_whole(book, notebook)
    _clean(book, parameters)
    write_text(executed, nbformat.writes(book) + "\n")
    write_text(executed.with_suffix(".html"), _page(book))
    part.unlink()
    return executed


def _run(notebook: Path, part: Path, parameters: Mapping, folder: Path | None = None) -> None:
    """Run all cells in a folder (by default its own), showing what they print as they print it."""
    try:
        papermill.execute_notebook(
            str(notebook),
            str(part),
            parameters=dict(parameters),
            cwd=str(folder or notebook.parent),
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            coalesce_streams=True,
            config=Config(KernelManager=ENCRYPTION),
            # Else what workers print comes twice: by itself, and through the kernel. And the kernel
            # may log the interrupt that ends it; what fails in a cell comes another way.
            extra_arguments=["--IPKernelApp.capture_fd_output=False", "--log-level=50"],
        )
    except papermill.PapermillExecutionError as error:
        if error.ename == OutOfTime.__name__:
            part.unlink(missing_ok=True)
            raise OutOfTime(error.evalue) from None
        begins = error.source.strip().partition("\n")[0]
        raise RuntimeError(
            f"{notebook.name} failed in cell [{error.exec_count}], `{begins}`: "
            f"{error.ename}: {error.evalue}. Everything until there is in {part}"
        ) from error
    except RuntimeError as error:  # the kernel died: killed, or out of memory
        raise RuntimeError(
            f"the kernel of {notebook.name} died ({error}); run the same command again, it goes on "
            "from the last checkpoint"
        ) from error


def _check_whole(book: nbformat.NotebookNode, notebook: Path) -> None:
    """A notebook's own metadata calls a killed run completed; its cells don't lie."""
    for number, cell in enumerate(book.cells):
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            raise RuntimeError(f"{notebook.name}: cell {number} never ran; run the command again")
        errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        if errors:
            raise RuntimeError(f"{notebook.name}: cell {number} raised {errors[0].ename}")


def _clean(book: nbformat.NotebookNode, parameters: Mapping) -> None:
    """Drop what differs between two equal runs (timings, progress), and this machine's paths."""
    book.metadata.pop("papermill", None)
    for cell in book.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = "parameters-given"  # papermill's own is random
    for place in sorted(_paths(parameters) | {str(ROOT)}, key=len, reverse=True):
        whole = re.compile(rf"(?<![\w.-]){re.escape(place)}(?![\w-])")
        book.cells = _replace(book.cells, whole, Path(place).name)


def _replace(part, pattern: re.Pattern, word: str):
    """`part` of a notebook with `word` for every `pattern` in its texts."""
    if isinstance(part, str):
        return pattern.sub(lambda _: word, part)
    if isinstance(part, list):
        return [_replace(item, pattern, word) for item in part]
    if isinstance(part, dict):
        return type(part)({key: _replace(item, pattern, word) for key, item in part.items()})
    return part


def _paths(parameters: Mapping) -> set[str]:
    """Absolute paths among the parameters, those of data sets too."""
    words = [v for name, v in parameters.items() if isinstance(v, str) and name != "data"]
    words += split(parameters.get("data", ""), CHECKS).values()
    return {word for word in words if Path(word).is_absolute() and Path(word).name}


def _page(book: nbformat.NotebookNode) -> str:
    """The executed notebook as one HTML file that asks nothing of the network."""
    local = {"mathjax_url": "", "require_js_url": "", "jupyter_widgets_base_url": ""}
    exporter = HTMLExporter(template_name="lab", embed_images=True, **local)
    return exporter.from_notebook_node(book)[0]


def pair(text: str) -> tuple[str, str]:
    """The name and the value of an option; ValueError where it is not NAME=VALUE."""
    name, separator, value = text.partition("=")
    if not (separator and name and value):
        raise ValueError(f"{text!r} is not of the form NAME=VALUE")
    return name, value
