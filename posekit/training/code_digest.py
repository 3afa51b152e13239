"""The code that a result depends on, as a hash.

That is the source of the work function, of the functions and classes of a notebook that it uses,
and of every posekit module that these can reach through imports. Comments, docstrings and
formatting don't count, nor do modules that only keep books. Other libraries count by their names;
their versions are in the record.
"""

import ast
import dataclasses
import functools
import hashlib
import inspect
import json
import sys
import sysconfig
import textwrap
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from posekit.system import ROOT

BOOKKEEPING = {
    "posekit",
    "posekit.system",
    "posekit.models.costs",
    *(
        f"posekit.training.{name}"
        for name in ("runs", "cluster", "rehearsal", "code_digest", "study")
    ),
}
LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib"))


def code_digest(work: Callable) -> str:
    """A hash of the code that `work` depends on.

    Raises ValueError for an object whose content can't be hashed, such as a tensor that a function
    of a notebook reads as a global variable.
    """
    code = _Code(work)
    modules = {name: _module(name)[0] for name in sorted(reachable(code.modules))}
    plain = json.dumps([code.work, code.functions, modules], sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def modules_of(work: Callable) -> set[str]:
    """The posekit modules that `work` depends on, directly or not."""
    return reachable(_Code(work).modules)


def sources(work: Callable | None, names: Iterable[str] = ()) -> dict[str, str]:
    """A hash of the source of every posekit module that `work` depends on, or of those named."""
    names = sorted(names or modules_of(work))
    return {name: hashlib.sha256(_module(name)[0].encode()).hexdigest() for name in names}


def reachable(modules: Iterable[str]) -> set[str]:
    """These posekit modules and all that they import, directly or not, without BOOKKEEPING."""
    seen, todo = set(), list(modules)
    while todo:
        module = todo.pop()
        if module in seen or module in BOOKKEEPING:
            continue
        seen.add(module)
        # Not those in sys.modules: a function's own imports are there only once it was called.
        todo += [name for name in _module(module)[1] if _file(name)]
    return seen


@functools.cache
def _module(name: str) -> tuple[str, list[str]]:
    """The essence of a module, and the names in posekit that it imports."""
    source = (_file(name) or Path(sys.modules[name].__file__)).read_text(encoding="utf-8")
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return _essence(source), [name for name in names if name.startswith("posekit")]


def _file(name: str) -> Path | None:
    """The file of a posekit module, imported or not; None where no module has this name."""
    place = ROOT.joinpath(*name.split("."))
    files = place.with_suffix(".py"), place / "__init__.py"
    return next((file for file in files if file.is_file()), None)


class _Code:
    """The posekit modules that a function names, and the sources of what is not in posekit."""

    def __init__(self, work: Callable):
        self.modules: set[str] = set()
        self.functions: dict[str, object] = {}
        self.seen: set[int] = set()
        self.work = self.describe(work)

    def describe(self, value):
        """`value` as plain data; ValueError for an object that has no such form."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list | tuple):
            return [self.describe(item) for item in value]
        if isinstance(value, Mapping):
            return {str(key): self.describe(item) for key, item in value.items()}
        if isinstance(value, functools.partial):
            return [self.describe(part) for part in (value.func, value.args, value.keywords)]
        if isinstance(value, types.ModuleType):
            self.modules |= {value.__name__} if value.__name__.startswith("posekit") else set()
            return value.__name__
        if inspect.isroutine(value) or inspect.isclass(value):
            return self._code(value, value.__module__ or "")
        if dataclasses.is_dataclass(value):
            return [self.describe(type(value)), self.describe(vars(value))]
        raise ValueError(f"a {type(value).__name__} can't be part of a run's identity")

    def _code(self, value, home: str) -> str:
        if home.startswith("posekit"):
            self.modules.add(home)
        elif _is_users(value, home):
            if id(value) not in self.seen:
                self.seen.add(id(value))
                self._collect(value)
            return value.__qualname__
        return f"{home}.{value.__qualname__}"

    def _collect(self, value) -> None:
        """Add the source of a user's function, or of a class's methods, and of what they name."""
        if inspect.isclass(value):
            methods = [member for member in vars(value).values() if inspect.isfunction(member)]
            self.functions[value.__qualname__] = self.describe([*value.__bases__, *methods])
            return
        name = f"{value.__qualname__} {len(self.functions)}"  # lambdas all have the same name
        self.functions[name] = _essence(textwrap.dedent(inspect.getsource(value)))
        for word in sorted(_names(value.__code__) & value.__globals__.keys()):
            try:
                self.functions[f"{name}: {word}"] = self.describe(value.__globals__[word])
            except ValueError as error:
                raise ValueError(
                    f"{value.__qualname__} reads {word!r}: {error}; pass it by `config` or `data`"
                ) from None


def _is_users(value, home: str) -> bool:
    """Is this function or class a user's, neither built in nor an installed library's?"""
    file = getattr(sys.modules.get(home), "__file__", None) or ""
    return not (inspect.isbuiltin(value) or home == "builtins" or file.startswith(LIBRARIES))


def _names(code: types.CodeType) -> set[str]:
    """Global names that a function's code uses, inner functions included."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*[_names(c) for c in inner])


def _essence(source: str) -> str:
    """Source without what can't change a result: comments, formatting, docstrings."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source  # a lambda's line is not always a statement
    for node in ast.walk(tree):
        match node:
            case ast.AST(body=[ast.Expr(value=ast.Constant()), *rest]):
                node.body = rest
    return ast.dump(tree)
