"""`posekit new`: the files of another paper, which runs before a word of it is written.

They are copies of posekit/papers/_template, a paper that runs itself, under the new name.
"""

import keyword
import re
from contextlib import ExitStack
from pathlib import Path

from posekit.claims.paper import FOLDER
from posekit.system import ROOT

TEMPLATE = FOLDER / "_template"
ELSEWHERE = {
    "model.py": "posekit/models/{slug}.py",
    "notebook.ipynb": "notebooks/{notebook}.ipynb",
    "test_template.py": "tests/papers/test_{slug}.py",
}
"""Where files of the template go that do not stay in the paper's own folder."""

IMPORTS = re.compile(r"(?:^.*\bfrom posekit\S* import .*\n)+", re.MULTILINE)


def create(slug: str, notebook: str = "", root: Path = ROOT) -> list[Path]:
    """Write the files of paper `slug` into the repository at `root`, all or none; return them.

    The notebook has the paper's name unless it is given another. Raises ValueError for a name that
    is not a plain lower-case identifier, and FileExistsError where one of the files is there.
    """
    notebook = notebook or slug
    for name in (slug, notebook):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
            raise ValueError(
                f"{name!r} names a Python module: take lower-case letters, digits and underscores, "
                "a letter first, such as choi2021"
            )
    own = root / "posekit" / "papers" / slug
    files = {}
    for source in sorted(TEMPLATE.glob("*.*")):
        place = ELSEWHERE.get(source.name, f"posekit/papers/{slug}/{source.name}")
        text = source.read_text(encoding="utf-8")
        text = text.replace("posekit.papers._template.model", f"posekit.models.{slug}")
        text = text.replace("Notebook: _template", f"Notebook: {notebook}")
        text = IMPORTS.sub(_sorted, text.replace("_template", slug))
        files[root / place.format(slug=slug, notebook=notebook)] = text
    if there := [path for path in (own, *files) if path.exists()]:
        raise FileExistsError(f"{there[0]} is there already: choose another name")
    with ExitStack() as undo:
        own.mkdir()
        undo.callback(own.rmdir)
        for path, text in files.items():
            undo.callback(path.unlink, missing_ok=True)
            path.write_text(text, encoding="utf-8")
        undo.pop_all()
    return list(files)


def _sorted(lines: re.Match) -> str:
    """Import lines in the order of their modules, which another name changes."""
    return "".join(sorted(lines[0].splitlines(keepends=True), key=lambda line: line.split()[1]))
