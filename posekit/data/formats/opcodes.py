"""The steps of a pickle, looked over before any of them is taken.

What a pickle names, and whether it refers outside itself or asks for more work than its own size
explains: such streams are refused here, since the reader itself (in C) can't be stopped.

No dimension key: there are no arrays here.
"""

import io
import pickletools
from collections.abc import Iterator
from typing import Any

MAX_TUPLES = 100_000  # Python overflows its stack over millions, one inside the other
MAX_PARTS = 10_000_000  # of one tuple with those inside it: hashing visits shared ones each time


class Refused(ValueError):
    """A file asks for something that data has no need of."""


def names(stream: bytes) -> Iterator[tuple[str, str]]:
    """The (module, name) pairs that the pickle `stream` spells out, as its steps are looked over.

    Raises Refused for references outside the stream, for places in memory that its own steps
    can't fill and for tuples that would take ages to hash; ValueError where it is no pickle.
    Names put together from strings (protocol 4) are seen only while it is read.
    """
    tuples = 0
    parts = _Parts()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(_Lines(stream)), start=1):
        if opcode.name in ("GLOBAL", "INST"):
            yield tuple(argument.split(" ", 1))
        elif opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument) > count:
            raise Refused(f"its pickle numbers {argument} values after {count} steps")
        elif opcode.name in ("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER"):
            raise Refused(f"its pickle refers outside itself ({opcode.name})")
        tuples += opcode.name.startswith("TUPLE")
        if tuples > MAX_TUPLES:
            raise Refused(f"its pickle has more than {MAX_TUPLES} tuples")
        parts.follow(opcode, argument)


class _Lines(io.BytesIO):
    """A stream for pickletools, which would not read Python 2's strings beyond ASCII.

    What the strings say is of no interest here, so their escapes are made harmless.
    """

    def readline(self, *size: int) -> bytes:
        return super().readline(*size).replace(b"\\", b"/")


class _Parts:
    """The stack of a pickle with, for each value on it, how many parts hashing it would visit."""

    def __init__(self):
        self.stack: list[int | None] = []  # None: a mark
        self.memo: dict[int, int | None] = {}

    def follow(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Do with the numbers what the opcode does with the values."""
        stack, memo, name = self.stack, self.memo, opcode.name
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else int(argument)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[int(argument)])
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "MARK":
            stack.append(None)
        else:
            taken = self._take(opcode)
            whole = 1 + sum(taken) if "TUPLE" in name else 1
            if whole > MAX_PARTS:
                raise Refused(f"its pickle has a tuple of more than {MAX_PARTS} parts")
            stack.extend([whole] * len(opcode.stack_after))

    def _take(self, opcode: pickletools.OpcodeInfo) -> list[int]:
        stack, before = self.stack, opcode.stack_before
        taken = []
        if pickletools.markobject in before:
            while (part := stack.pop()) is not None:
                taken.append(part)
            before = before[: before.index(pickletools.markobject)]
        elif len(before) > len(stack):
            raise ValueError(f"{opcode.name} finds nothing on the stack")
        start = len(stack) - len(before)
        # A lone POP may also take a mark.
        taken.extend(part or 1 for part in stack[start:])
        del stack[start:]
        return taken
