"""Text in the encodings that people have, and files of it that are cut off."""

import pytest

from posekit.data.formats import text

ROWS = [{"name": "Zoë", "x": "1.25"}, {"name": "a, b", "x": "-30"}]
TABLE = 'name, x\r\nZoë,1.25\r\n\r\n"a, b",-30\r\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_common_encoding_is_understood(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes(TABLE.encode(encoding))
    assert list(text.read_csv(path)) == ROWS
    path.write_bytes('{"a": "Zoë"}'.encode(encoding))
    assert text.read_json(path) == {"a": "Zoë"}


def test_another_encoding_is_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes('{"a": "Zoë"}'.encode("latin-1"))
    with pytest.raises(ValueError, match="a.json is no text in UTF-8 .*save it as such"):
        text.read_json(path)


def test_a_table_cut_off_anywhere_is_an_error(tmp_path):
    """But behind a whole line, where nobody can tell."""
    path = tmp_path / "a.csv"
    whole = "x,y\n1,2\n3,45\n"
    for end in set(range(1, len(whole))) - {4, 8}:
        path.write_text(whole[:end])
        with pytest.raises(ValueError, match="a.csv ends in the middle of a line"):
            list(text.read_csv(path))


def test_a_line_of_another_length_is_named(tmp_path):
    path = tmp_path / "a.csv"
    for row in ("1", "1,2,3"):
        path.write_text(f"x,y\n1,2\n{row}\n")
        with pytest.raises(ValueError, match=r"a.csv, line 3: \d values, the head has 2"):
            list(text.read_csv(path))


def test_a_file_larger_than_any_is_not_read(tmp_path):
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(text.MAX_BYTES + 1)  # takes no room
    with pytest.raises(ValueError, match="has 1,073,741,825 bytes, at most 1,073,741,824 are read"):
        text.read_json(path)
