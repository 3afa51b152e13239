"""Files of text, as whoever wrote them encoded it: UTF-8, with a byte order mark or without, UTF-16.

No dimension key: text, and what json and csv hold.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posekit.data.formats.pickles import AGAIN
from posekit.system import need_file

MAX_BYTES = 2**30  # of a file; in memory json takes some ten times as much
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # else UTF-8, whose own mark is left out


def read_text(
    path: Path, *, lines: bool = False, most: int = MAX_BYTES, errors: str = "strict"
) -> str:
    """The text of a file. `errors` as for `bytes.decode`.

    FileNotFoundError; ValueError, naming the file, when it has more than `most` bytes, is in another
    encoding and, of a file of `lines`, when it ends within one: a number that is cut off is another.
    """
    if (size := need_file(path).stat().st_size) > most:
        raise ValueError(f"{path} has {size:,} bytes, at most {most:,} are read")
    content = path.read_bytes()
    try:
        text = content.decode(MARKS.get(content[:2], "utf-8-sig"), errors)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error}): save it as such") from error
    text = text.replace("\r\n", "\n")
    if lines and text and not text.endswith("\n"):
        raise ValueError(
            f"{path} ends in the middle of a line, {text[-30:]!r}: {AGAIN}, or, if it is whole, end "
            "it with a line break"
        )
    return text


def read_json(path: Path, *, most: int = MAX_BYTES) -> Any:
    """What a json file holds; errors as `read_text`, and ValueError when it is no whole json."""
    text = read_text(path, most=most)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} can't be read as json: {error}; {AGAIN}") from error


def read_csv(path: Path, *, most: int = MAX_BYTES) -> Iterator[dict[str, str]]:
    """The rows of a csv file by the names in its head, one after the other, blanks around taken off.

    Errors as `read_text`; ValueError names the line that has another number of values than the head.
    """
    rows = csv.reader(io.StringIO(read_text(path, lines=True, most=most), newline=""), strict=True)
    try:
        head = [name.strip() for name in next(rows, [])]
        for values in filter(None, rows):
            if len(values) != len(head):
                raise ValueError(f"{len(values)} values, the head has {len(head)}")
            yield dict(zip(head, map(str.strip, values), strict=True))
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{path}, line {rows.line_num}: {error}") from error
