"""What the README and the pages beside it point at is there, and its Python can be run."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "results/README.md", "results/studio.md", "posekit/studio/STUDIO.md"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text())
    inside = [link for link in links if "://" not in link]
    assert inside
    missing = [link for link in inside if not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing


def test_the_python_in_the_readme_names_what_exists():
    text = (ROOT / "README.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        for node in ast.parse(code).body:
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                for name in node.names:
                    if not hasattr(module, name.name):
                        importlib.import_module(f"{node.module}.{name.name}")
            elif isinstance(node, ast.Import):
                for name in node.names:
                    importlib.import_module(name.name)
    assert "```python" in text
