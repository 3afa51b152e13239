"""The data sets of the notebooks: real ones where a folder is named, else generated ones."""

import pytest
from builders import mpii as make_mpii

from posekit.training.data_sets import DataSets

HERE = DataSets({}, workers=0)


def test_without_folders_everything_is_generated():
    people = HERE.people("valid", 3, size=32)
    assert (people.name, len(people), people.batch.skeleton.name) == ("studio-wild", 3, "MPII-16")
    actors = HERE.actors(("S9",), size=32, every=10, step=30, generated={"frames": 10})
    assert actors.name == "studio-pictures" and set(actors.frames["subject"]) == {"S9"}
    assert HERE.cmu(every=1, detector="truth") is None
    assert HERE.spin_mixture(size=32) is None and HERE.spin_tests(size=32) == []
    assert HERE.poses(frames=2, every=1, detector="truth").name == "studio"
    assert HERE.body().name.startswith("body-")


def test_generated_occluders_depend_on_the_seed():
    shapes = [HERE.occluders(seed)[0].tobytes() for seed in (0, 0, 1)]
    assert shapes[0] == shapes[1] != shapes[2] and len(HERE.occluders(0)) == 50


def test_mpii_takes_the_place_of_strangers(tmp_path, capsys):
    made = make_mpii.people()
    make_mpii.write_h5(tmp_path / "valid.h5", made)
    real = DataSets.named(f"mpii={tmp_path}", workers=0)
    assert "mpii" in real and "human36m" not in real
    assert real.people("valid", 2, size=32).name == "studio-wild"
    assert "generated people take the place of MPII's" in capsys.readouterr().out
    make_mpii.write_pictures(tmp_path / "images", made)
    people = real.people("valid", 2, size=32)
    assert people.name == "mpii" and people.heads is not None
    wide = real.people("valid", 2, size=32, rule="bouchiat")
    assert people.version.endswith(", kim crop") and wide.version.endswith(", bouchiat crop")


def test_a_name_that_nobody_reads_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not NAME=FOLDER with a name of human36m"):
        DataSets.named(f"mnist={tmp_path}")
