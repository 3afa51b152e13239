"""The formulas of claims: arithmetic over named quantities, parsed and evaluated.

    mpjpe/ours/Eating         a quantity: metric/subject[/slice]; hyphens belong to the name
    min(mpjpe/*/Eating)       * stands for every subject (or slice) that has such a quantity
    mpjpe/li - mpjpe/ours     + - * / with spaces around them; numbers; brackets
    min max abs               functions; rank(a, others) = 1 + how many of the others are lower

Python's parser reads a formula once each quantity stands in braces, `{'mpjpe/ours'}`. Syntax nodes
other than these are refused, and Python never evaluates any.
"""

import ast
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from posekit.claims.numbers import Interval


@dataclass(frozen=True)
class Number:
    """A number as it is written."""

    text: str


@dataclass(frozen=True)
class Quantity:
    """A named quantity; with `*` in its name, every quantity of that shape."""

    name: str


@dataclass(frozen=True)
class Call:
    """A function or one of + - * / applied to its arguments."""

    function: str
    arguments: tuple["Node", ...]


Node = Number | Quantity | Call

_LONGEST = 1000
_CHARACTERS = re.compile(r"[\w\s.,()+\-*/]*")  # no quotes, braces, comments or comparisons
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:/(?:\*|\w[\w.\-]*))+")
_SYMBOLS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def parse(text: str) -> Node:
    """The tree of a formula. Raises ValueError that quotes it and says how formulas are written."""
    try:
        if not _CHARACTERS.fullmatch(text) or len(text) > _LONGEST:
            raise SyntaxError(f"longer than {_LONGEST} characters, or a character of no formula")
        source = _NAME.sub(lambda found: f"{{'{found[0]}'}}", " ".join(text.split()))
        return _node(ast.parse(source, mode="eval").body, source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"can't read the expression {text!r} ({error}); write numbers, quantities as "
            f"metric/subject[/slice], {' '.join(_FUNCTIONS)}"
        ) from None


def _node(node: ast.expr, source: str) -> Node:
    inner = functools.partial(_node, source=source)
    match node:
        case ast.Constant():
            number = Number(ast.get_source_segment(source, node))
            Interval.printed(number.text)  # which refuses 0x10, 1_000, 1j and True
            return number
        case ast.Set(elts=[ast.Constant(value=name)]):
            return Quantity(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Call("-", (Number("0"), inner(operand)))
        case ast.BinOp(left=left, op=symbol, right=right) if type(symbol) in _SYMBOLS:
            return Call(_SYMBOLS[type(symbol)], (inner(left), inner(right)))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]) if (
            name in _FUNCTIONS
        ):
            return Call(name, tuple(map(inner, arguments)))
    raise SyntaxError(f"{ast.get_source_segment(source, node)!r} is out of place")


def names(node: Node) -> list[str]:
    """The quantities an expression names, wildcards as written, in order, each once."""
    if isinstance(node, Quantity):
        return [node.name]
    inside = node.arguments if isinstance(node, Call) else ()
    return list(dict.fromkeys(name for argument in inside for name in names(argument)))


def matches(pattern: str, name: str) -> bool:
    """Whether `name` has the shape of `pattern`: as many parts, and equal where it has no `*`."""
    wanted, parts = pattern.split("/"), name.split("/")
    return len(wanted) == len(parts) and all(w in ("*", p) for w, p in zip(wanted, parts))


def evaluate(
    node: Node, quantities: Mapping[str, list[Interval]], *, alone: bool = True
) -> Interval:
    """The value of an expression, from the values of all quantities that each name stands for.

    A number that is the whole expression keeps the precision it is printed with; inside a
    formula it is exact. Raises ValueError when a wildcard stands outside a function.
    """
    if isinstance(node, Number):
        return Interval.printed(node.text) if alone else Interval.exact(float(node.text))
    if isinstance(node, Quantity):
        if "*" in node.name:
            raise ValueError(f"{node.name} stands for many numbers: put min() or max() by")
        (value,) = quantities[node.name]
        return value
    values = []
    for argument in node.arguments:
        many = isinstance(argument, Quantity) and node.function not in _SYMBOLS.values()
        values += (
            quantities[argument.name] if many else [evaluate(argument, quantities, alone=False)]
        )
    if not values:
        raise ValueError(f"{node.function}() of nothing")
    return _FUNCTIONS[node.function](values)


def _rank(values: list[Interval]) -> Interval:
    """1 + how many others are lower than the first; certainly (low) and possibly (high)."""
    own, *others = values
    below = [v.value < own.value for v in others]
    sure = [v.high <= own.low for v in others]
    maybe = [v.low < own.high for v in others]
    return Interval(1.0 + sum(below), 1.0 + sum(sure), 1.0 + sum(maybe))


_FUNCTIONS: dict[str, Callable[[list[Interval]], Interval]] = {
    "min": lambda values: Interval(*map(min, zip(*values))),
    "max": lambda values: Interval(*map(max, zip(*values))),
    "abs": lambda values: abs(values[0]),
    "rank": _rank,
    "+": lambda values: values[0] + values[1],
    "-": lambda values: values[0] - values[1],
    "*": lambda values: values[0] * values[1],
    "/": lambda values: values[0] / values[1],
}
