"""Claim expressions: a small arithmetic over named quantities, evaluated with rounding intervals.

    mpjpe/ours/Eating         a quantity: metric/subject[/slice]; hyphens belong to the name
    min(mpjpe/*/Eating)       * stands for every subject (or slice) that has such a quantity
    mpjpe/li - mpjpe/ours     + - * / with spaces around them; numbers; brackets
    min max mean sum abs      functions; rank(a, others) = 1 + how many of the others are lower

Nothing else is read: no attribute, no index, no other call, and never eval.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SLACK = 1e-9  # relative; below any printed digit, above float rounding

_TOKEN = re.compile(
    r"(?P<name>[A-Za-z_]\w*(?:/(?:\*|\w[\w.\-]*))+)"
    r"|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w./]))"
    r"|(?P<function>(?:min|max|mean|sum|abs|rank)(?=\s*\())"
    r"|(?P<symbol>[-+*/(),])"
)
_LONGEST, _DEEPEST = 2000, 50


@dataclass(frozen=True)
class Interval:
    """A number and the interval that rounding leaves it in; exact numbers have low = high."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> "Interval":
        return cls(value, value, value)

    @classmethod
    def printed(cls, text: str) -> "Interval":
        """`text` give or take half a unit of its last digit: 50.6 is 50.55 to 50.65.

        Raises ValueError for a text that is not a plain number.
        """
        if not re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text):
            raise ValueError(f"{text!r} is not a number: write 50.6, 350848 or 4.07e6")
        digits, _, power = text.lower().partition("e")
        half = 0.5 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
        return cls(float(text), float(text) - half, float(text) + half)

    def __neg__(self) -> "Interval":
        return Interval(-self.value, -self.high, -self.low)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.value + other.value, self.low + other.low, self.high + other.high)

    def __sub__(self, other: "Interval") -> "Interval":
        return self + -other

    def __mul__(self, other: "Interval") -> "Interval":
        ends = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(self.value * other.value, min(ends), max(ends))

    def __truediv__(self, other: "Interval") -> "Interval":
        if other.low <= 0 <= other.high:
            raise ValueError(f"division by a number that may be zero ({other.value:g})")
        return self * Interval(1 / other.value, 1 / other.high, 1 / other.low)

    def __abs__(self) -> "Interval":
        ends = abs(self.low), abs(self.high)
        low = 0.0 if self.low <= 0 <= self.high else min(ends)
        return Interval(abs(self.value), low, max(ends))


@dataclass(frozen=True)
class Number:
    text: str


@dataclass(frozen=True)
class Quantity:
    """A named quantity; with `*` in its name, every quantity of that shape."""

    name: str


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple


@dataclass(frozen=True)
class Operation:
    symbol: str
    left: object
    right: object


Node = Number | Quantity | Call | Operation
Lookup = Callable[[str], list[Interval]]


def parse(text: str) -> Node:
    """Read one expression. Raises ValueError that shows the place it stumbles over."""
    tokens = list(_tokens(text))
    node, rest = _sum(tokens, text, 0)
    if rest:
        raise _fault(text, f"{rest[0][1]!r} is out of place")
    return node


def names(node: Node) -> list[str]:
    """The quantities an expression names, wildcards as written, in order, each once."""
    if isinstance(node, Quantity):
        return [node.name]
    if isinstance(node, Call):
        parts = [names(argument) for argument in node.arguments]
    elif isinstance(node, Operation):
        parts = [names(node.left), names(node.right)]
    else:
        parts = []
    return list(dict.fromkeys(name for part in parts for name in part))


def matches(pattern: str, name: str) -> bool:
    """Whether `name` has the shape of `pattern`: as many parts, and equal where it has no `*`."""
    parts, given = pattern.split("/"), name.split("/")
    return len(parts) == len(given) and all(p in ("*", g) for p, g in zip(parts, given))


def evaluate(node: Node, lookup: Lookup, *, alone: bool = True) -> Interval:
    """The value of an expression; `lookup` gives the values a name stands for.

    A number that is the whole expression keeps the precision it is printed with; inside a
    formula it is exact. Raises ValueError when a wildcard stands outside a function.
    """
    if isinstance(node, Number):
        return Interval.printed(node.text) if alone else Interval.exact(float(node.text))
    if isinstance(node, Quantity):
        if "*" in node.name:
            raise ValueError(f"{node.name} stands for many numbers: put min(), max() or mean() by")
        (value,) = lookup(node.name)
        return value
    if isinstance(node, Call):
        return _call(node, lookup)
    left = evaluate(node.left, lookup, alone=False)
    right = evaluate(node.right, lookup, alone=False)
    if node.symbol in "+-":
        return left + right if node.symbol == "+" else left - right
    return left * right if node.symbol == "*" else left / right


def compare(left: Interval, relation: str, right: Interval, tolerance: float | None = None) -> str:
    """'holds', 'fails', or 'undecided' where the printed digits are too few to tell.

    `tolerance` is for `=`: the distance at which two numbers, as they are written, still count as
    equal; 0 for counts. Without it they are equal if their rounding intervals overlap.
    """
    if relation in (">", ">="):
        return compare(right, relation.replace(">", "<"), left, tolerance)
    scale = SLACK * max(1.0, abs(left.value), abs(right.value))
    if relation == "=":
        if tolerance is not None:
            return "holds" if abs(left.value - right.value) <= tolerance + scale else "fails"
        gap = max(left.low, right.low) - min(left.high, right.high)
        narrower = min(left.high - left.low, right.high - right.low)
        touching = narrower > 0 and gap > -min(scale, narrower / 2)  # rounded up here, down there
        return "fails" if gap > scale or touching else "holds"
    strict = relation == "<"
    exact = left.low == left.high and right.low == right.high
    if left.value < right.value or (not strict and left.value == right.value):
        return "holds"
    certain = left.low > right.high - scale or (strict and exact)
    return "fails" if certain else "undecided"


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    if len(text) > _LONGEST:
        raise ValueError(f"an expression of {len(text)} characters: {_LONGEST} are enough")
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        found = _TOKEN.match(text, place)
        if not found:
            raise _fault(text, f"{text[place:].split()[0]!r} is not a quantity, number or function")
        yield found.lastgroup, found.group()
        place = found.end()


def _fault(text: str, what: str) -> ValueError:
    remedy = (
        "write numbers, quantities as metric/subject[/slice], min max mean sum abs rank, + - * /"
    )
    return ValueError(f"can't read the expression {text!r}: {what}; {remedy}")


def _sum(tokens: list, text: str, depth: int) -> tuple[Node, list]:
    node, tokens = _product(tokens, text, depth)
    while tokens and tokens[0][1] in ("+", "-"):
        symbol = tokens[0][1]
        right, tokens = _product(tokens[1:], text, depth)
        node = Operation(symbol, node, right)
    return node, tokens


def _product(tokens: list, text: str, depth: int) -> tuple[Node, list]:
    node, tokens = _atom(tokens, text, depth)
    while tokens and tokens[0][1] in ("*", "/"):
        symbol = tokens[0][1]
        right, tokens = _atom(tokens[1:], text, depth)
        node = Operation(symbol, node, right)
    return node, tokens


def _atom(tokens: list, text: str, depth: int) -> tuple[Node, list]:
    if not tokens:
        raise _fault(text, "something is missing at its end")
    if depth > _DEEPEST:
        raise _fault(text, f"more than {_DEEPEST} brackets inside each other")
    (kind, word), rest = tokens[0], tokens[1:]
    if kind == "number":
        return Number(word), rest
    if kind == "name":
        return Quantity(word), rest
    if word == "-":
        node, rest = _atom(rest, text, depth + 1)
        return Operation("-", Number("0"), node), rest
    if kind == "function":
        return _arguments(word, rest[1:], text, depth + 1)
    if word != "(":
        raise _fault(text, f"{word!r} is out of place")
    node, rest = _sum(rest, text, depth + 1)
    return node, _close(rest, text)


def _arguments(function: str, tokens: list, text: str, depth: int) -> tuple[Call, list]:
    arguments = []
    while True:
        node, tokens = _sum(tokens, text, depth)
        arguments.append(node)
        if not tokens or tokens[0][1] != ",":
            return Call(function, tuple(arguments)), _close(tokens, text)
        tokens = tokens[1:]


def _close(tokens: list, text: str) -> list:
    if not tokens or tokens[0][1] != ")":
        raise _fault(text, "a bracket is not closed")
    return tokens[1:]


def _call(node: Call, lookup: Lookup) -> Interval:
    values = []
    for argument in node.arguments:
        wild = isinstance(argument, Quantity) and "*" in argument.name
        values += lookup(argument.name) if wild else [evaluate(argument, lookup, alone=False)]
    if not values:
        raise ValueError(f"{node.function}() of nothing")
    if node.function == "rank":
        return _rank(values[0], values[1:])
    if node.function == "abs":
        return abs(values[0])
    if node.function in ("min", "max"):
        choose = min if node.function == "min" else max
        return Interval(*(choose(getattr(v, k) for v in values) for k in ("value", "low", "high")))
    total = sum(values[1:], values[0])
    return total if node.function == "sum" else total / Interval.exact(float(len(values)))


def _rank(own: Interval, others: list[Interval]) -> Interval:
    """1 + how many are lower; low and high count those certainly and possibly lower."""
    below = [v.value < own.value for v in others]
    sure = [v.high <= own.low for v in others]
    maybe = [v.low < own.high for v in others]
    return Interval(1.0 + sum(below), 1.0 + sum(sure), 1.0 + sum(maybe))
