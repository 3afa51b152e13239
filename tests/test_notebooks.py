"""Notebooks: light, readable, and with outputs where outputs are compared."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from posekit.claims.paper import slugs
from posekit.models import checkpoint

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
BOOKS = {path.stem: nbformat.read(path, 4) for path in sorted(FOLDER.glob("*.ipynb"))}


@pytest.fixture(params=BOOKS)
def name(request):
    return request.param


@pytest.fixture
def book(name):
    return BOOKS[name]


def code(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def test_there_are_notebooks():
    assert "lifting" in BOOKS


def test_compared_cells_hold_outputs_and_no_other_cell_does(book):
    """nbval passes a compared cell that has lost its outputs: only this test sees that."""
    compared = [cell for cell in code(book) if "nbval-check-output" in tags(cell)]
    assert len(compared) >= 3
    for cell in code(book):
        kept = cell in compared
        assert bool(cell.outputs) == kept, cell.id
        assert (cell.execution_count is not None) == kept, cell.id


def test_the_parameters_are_typed_explained_and_few(book):
    (cell,) = [cell for cell in code(book) if "parameters" in tags(cell)]
    lines = cell.source.splitlines()
    assert len(lines) <= 8
    assert all(re.fullmatch(r"\w+: (str|int) = \S+  # \S.*", line) for line in lines)
    assert lines[0].startswith('size: str = "smoke"')


def test_a_notebook_names_the_paper_it_reproduces_and_the_kind_of_its_networks(book):
    assert book.metadata["posekit"]["paper"] in slugs()
    assert book.metadata["posekit"]["kind"] in checkpoint.NETWORKS


def test_cells_are_short_and_their_code_is_the_library_s(book):
    for cell in code(book):
        lines = cell.source.splitlines()
        told = [line for line in lines if not line.startswith(("from ", "import "))]
        assert len(told) <= 26, f"{cell.id}: {len(told)} lines"
        assert max(map(len, lines)) <= 100, cell.id
        assert not [line for line in lines if line.startswith(("!", "%"))], cell.id
        nodes = list(ast.walk(ast.parse(cell.source)))
        assert not [n for n in nodes if isinstance(n, ast.ClassDef | ast.FunctionDef)], cell.id
        assert "sys.path" not in cell.source, cell.id


def test_a_notebook_imports_what_it_uses_and_nothing_else(name):
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", FOLDER / f"{name}.ipynb"]
    done = subprocess.run(ruff, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_cell_ids_are_fixed_and_unique(book):
    ids = [cell.id for cell in book.cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"(text|code)-\d\d", name) for name in ids)


def test_prose_stands_before_every_section(book):
    assert book.cells[0].cell_type == "markdown"
    headings = [c.source for c in book.cells if c.cell_type == "markdown" and "## " in c.source]
    assert len(headings) >= 8
    assert all(len(text.split()) > 15 for text in headings)


HEADINGS = ["Sizes", "The claims", "Data", "Networks", "Training", "Results", "Verdicts"]
LAST = "What differs from the paper"


def test_a_notebook_has_at_most_200_lines_of_code(book):
    lines = [line.strip() for cell in code(book) for line in cell.source.splitlines()]
    assert len([line for line in lines if line and not line.startswith("#")]) <= 200


def test_all_notebooks_have_the_same_headings_in_the_same_order(book):
    prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    found = re.findall(r"^## (.+)$", prose, re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == HEADINGS
    assert found[-1].startswith(LAST)


def test_cells_that_import_are_collapsed_and_import_only(book):
    for cell in code(book):
        imports = re.search(r"^(from|import) ", cell.source, re.MULTILINE)
        if imports and "parameters" not in tags(cell):
            assert cell.metadata.get("jupyter", {}).get("source_hidden"), cell.id


def test_no_cell_ends_in_a_bare_number_or_only_fills_a_dictionary(book):
    for cell in code(book):
        last = ast.parse(cell.source).body[-1]
        bare = isinstance(last, ast.Expr) and isinstance(last.value, ast.Call)
        name = getattr(last.value.func, "id", "") if bare else ""
        assert name not in ("len", "sum", "int", "float"), cell.id
        assert not (isinstance(last, ast.AugAssign) and isinstance(last.op, ast.BitOr)), cell.id
