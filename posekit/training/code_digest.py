"""Which code a result depends on, as a hash.

The code of a function is its own source and that of every posekit module it can reach through
imports. Comments, docstrings and formatting don't count, nor do the modules that only keep books.
"""

import ast
import functools
import hashlib
import inspect
import json
import sys
import textwrap
import types
from collections.abc import Callable
from pathlib import Path

BOOKKEEPING = {"posekit", "posekit.training.runs", "posekit.training.code_digest", "posekit.system"}


def code_digest(work: Callable) -> str:
    """A hash of the code `work` depends on: itself, and every posekit module it can reach.

    Comments, docstrings and formatting don't count. A function of a notebook may read plain data,
    functions of that notebook and whatever posekit defines; ValueError names anything else.
    """
    parts: dict = {}
    modules: set[str] = set()
    bound = work
    while isinstance(bound, functools.partial):
        bound = bound.func
    try:
        parts["work"] = _describe(work, parts, modules, bound.__module__)
    except TypeError as error:
        raise ValueError(f"{bound.__qualname__} is bound to {error}") from None
    for module in sorted(_reachable(modules)):
        parts[module] = _essence(Path(sys.modules[module].__file__).read_text(encoding="utf-8"))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _collect(work: Callable, parts: dict, modules: set) -> None:
    """Add the source of a function and of what it names to `parts`, its modules to `modules`."""
    if work.__qualname__ in parts:
        return
    parts[work.__qualname__] = _essence(textwrap.dedent(inspect.getsource(work)))
    for name in sorted(_names(work.__code__) & work.__globals__.keys()):
        try:
            parts[f"{work.__qualname__}: {name}"] = _describe(
                work.__globals__[name], parts, modules, work.__module__
            )
        except TypeError as error:
            raise ValueError(
                f"{work.__qualname__} reads {name!r}, whose content can't be part of the run's "
                f"identity ({error}); hand it over through `config` or `data`"
            ) from None


def _describe(value, parts: dict, modules: set, notebook: str):
    """`value` as plain data, its code added to `parts` and `modules`; TypeError if it has none."""

    def inner(each):
        return _describe(each, parts, modules, notebook)

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [inner(v) for v in value]
    if isinstance(value, dict):
        return {str(k): inner(v) for k, v in value.items()}
    if isinstance(value, functools.partial):
        return [inner(value.func), inner(value.args), inner(value.keywords)]
    if isinstance(value, types.ModuleType):
        modules |= {value.__name__} if value.__name__.startswith("posekit") else set()
        return value.__name__
    home = getattr(value, "__module__", "") or ""
    if home.startswith("posekit"):
        modules.add(home)
        names = [n for n, v in vars(sys.modules[home]).items() if v is value]
        if not names:
            raise TypeError(f"a {type(value).__name__} made outside {home}")
        return f"{home}.{names[0]}"
    if inspect.isfunction(value) and home == notebook:
        _collect(value, parts, modules)
        return value.__qualname__
    if inspect.isroutine(value) or inspect.isclass(value):
        return f"{home}.{value.__qualname__}"  # another library: its version is in the record
    raise TypeError(f"a {type(value).__name__}")


def _names(code: types.CodeType) -> set[str]:
    """Global names that a function's code uses, inner functions included."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*[_names(c) for c in inner])


def _reachable(modules: set[str]) -> set[str]:
    """These posekit modules and all that they import, directly or not."""
    seen, todo = set(), list(modules)
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        tree = ast.parse(Path(sys.modules[module].__file__).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
            todo += [n for n in names if n.startswith("posekit") and n in sys.modules]
    return seen - BOOKKEEPING


def _essence(source: str) -> str:
    """Source without what can't change a result: comments, formatting, docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.AST(body=[ast.Expr(value=ast.Constant()), *rest]):
                node.body = rest
    return ast.dump(tree)
