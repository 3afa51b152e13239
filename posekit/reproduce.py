"""Run a paper's notebook headlessly with papermill, and keep what came out if it came out whole.

A notebook says in its metadata which paper it reproduces: {"posekit": {"paper": "tran2022"}}.
Its cell tagged `parameters` is its whole configuration.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import nbformat
import papermill
from nbconvert import HTMLExporter

from posekit.files import write_text
from posekit.runs import ROOT

NOTEBOOKS = ROOT / "notebooks"


def notebooks() -> dict[str, Path]:
    """Paper -> notebook, in the notebooks' own words."""
    found = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        paper = nbformat.read(path, 4).metadata.get("posekit", {}).get("paper")
        if paper:
            found[paper] = path
    return found


def notebook_of(paper: str) -> Path:
    """The notebook of a paper; ValueError names the papers there are."""
    known = notebooks()
    if paper not in known:
        raise ValueError(f"no notebook for paper {paper!r}; there are {', '.join(known)}")
    return known[paper]


def check_parameters(notebook: Path, parameters: Mapping) -> None:
    """Refuse a parameter the notebook doesn't have: papermill would run on without it."""
    known = papermill.inspect_notebook(str(notebook))
    if unknown := sorted(set(parameters) - set(known)):
        raise ValueError(
            f"{notebook.name} has no parameter {', '.join(unknown)}; it has {', '.join(known)}"
        )


def command(notebook: Path, parameters: Mapping) -> str:
    """The papermill command that does the same by hand."""
    words = [f"-p {name} {value!r}" for name, value in parameters.items()]
    output = f"{notebook.stem}-out.ipynb"
    return f"papermill {notebook.name} {output} --cwd {notebook.parent.name} {' '.join(words)}"


def reproduce(paper: str, parameters: Mapping, out: Path) -> Path:
    """Run the notebook of `paper` and return its executed copy, `out`/executed/PAPER.ipynb.

    The copy appears only when every cell ran. RuntimeError tells which cell did not; what had
    been trained until then is kept, and the next call goes on from there.
    """
    notebook = notebook_of(paper)
    check_parameters(notebook, parameters)
    executed = out / "executed" / f"{paper}.ipynb"
    part = executed.with_suffix(".part.ipynb")
    _make_folder(part.parent)
    os.environ["POSEKIT_HEADLESS"] = "1"
    _log_outputs_only()
    try:
        papermill.execute_notebook(
            str(notebook),
            str(part),
            parameters=dict(parameters),
            cwd=str(notebook.parent),
            progress_bar=False,
            log_output=True,
            coalesce_streams=True,
        )
    except papermill.PapermillExecutionError as error:
        raise RuntimeError(
            f"{notebook.name} failed in cell {error.exec_count}: {error.ename}: {error.evalue}. "
            f"Everything until there is in {part}"
        ) from error
    except RuntimeError as error:  # the kernel died: killed, or out of memory
        raise RuntimeError(
            f"the kernel of {notebook.name} died ({error}); run the same command again, it goes on "
            "from the last checkpoint"
        ) from error
    book = nbformat.read(part, 4)
    _check_whole(book, notebook)
    _clean(book, parameters)
    write_text(executed, nbformat.writes(book) + "\n")
    write_text(executed.with_suffix(".html"), _page(book))
    part.unlink()
    return executed


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".probe").touch()
        (folder / ".probe").unlink()
    except OSError as error:
        raise OSError(f"can't write results to {folder}: {error}; choose another --out") from error


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
            for place in _paths(parameters):
                cell.source = cell.source.replace(place, Path(place).name)


def _paths(parameters: Mapping) -> list[str]:
    """Absolute paths among the parameters, `NAME=PATH` ones too."""
    texts = [v for v in parameters.values() if isinstance(v, str)]
    words = [word.split("=", 1)[-1] for text in texts for word in text.split(",")]
    return [word for word in words if Path(word).is_absolute()]


def _page(book: nbformat.NotebookNode) -> str:
    """The executed notebook as one HTML file that asks nothing of the network."""
    local = {"mathjax_url": "", "require_js_url": "", "jupyter_widgets_base_url": ""}
    exporter = HTMLExporter(template_name="lab", embed_images=True, **local)
    return exporter.from_notebook_node(book)[0]


def _log_outputs_only() -> None:
    """Show what cells print as they print it, without papermill's own announcements."""
    logger = logging.getLogger("papermill")
    if logger.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.terminator = ""
    handler.addFilter(_is_output)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _is_output(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    own = ("Executing", "Ending", "Input Notebook", "Output Notebook", "<")
    if not text.strip() or text.startswith(own):
        return False
    record.msg, record.args = text.rstrip("\n") + "\n", ()
    return True
