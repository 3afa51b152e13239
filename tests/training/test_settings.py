"""A paper's table of sizes: read as plain values, and refused with the place of a mistake."""

import pytest

from posekit.claims.paper import slugs
from posekit.training.settings import SIZES, load_settings

HEAD = "setting,smoke,small,medium,large,paper,meaning\n"


def write(folder, text):
    (folder / "x").mkdir()
    (folder / "x" / "settings.csv").write_text(HEAD + text)
    return load_settings("x", folder)


@pytest.mark.parametrize("slug", slugs())
def test_every_paper_has_a_schedule_at_every_size(slug):
    settings = load_settings(slug)
    for size in SIZES:
        assert isinstance(settings[size]["epochs"], int) and isinstance(
            settings[size]["batch"], int
        )
    assert settings["meaning"].str.len().min() > 10


def test_values_are_plain_and_keep_their_kinds(tmp_path):
    settings = write(tmp_path, 'width,8,0.5,1.5,null,"[1, 2]",wide\nname,"""a""",1,2,3,4,what\n')
    assert settings.loc["width", list(SIZES)].tolist() == [8, 0.5, 1.5, None, [1, 2]]
    assert settings["smoke"].to_dict() == {"width": 8, "name": "a"}
    assert type(settings["smoke"]["width"]) is int


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,1,2,x,4,5,m\n", "line 2: a, medium: 'x' is not JSON; write 0.5"),
        ("a,1,2,3,4,5,m\na,1,2,3,4,5,m\n", "line 3: a is there twice"),
        ("a,1,2,3\n", "line 2: 7 cells expected"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_remedy(tmp_path, text, message):
    with pytest.raises(ValueError, match=f"settings.csv, {message}"):
        write(tmp_path, text)


def test_a_paper_without_settings_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="settings.csv is missing"):
        load_settings("x", tmp_path)
