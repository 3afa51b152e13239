"""Every configuration of size `paper` is built at its real shape, by its notebook's own cells.

Tensors have shapes and no numbers; the data sets' pictures are made-up ones of the same size.
"""

from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import torch
from builders.batch import make_batch

from posekit.data import albums
from posekit.models import encoders
from posekit.models.profile import without_batch_norm
from posekit.training import study
from posekit.training.augmentations import AUGMENTATIONS
from posekit.training.data_sets import DataSets

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NEEDED = {  # of each notebook, some of what its paper trains
    "integral": {
        *("r50", "r50-voc", "r50-d72-colour", "r50-ppm4", "r50-aspp3", "botnet50-ppm"),
        *("r101-d72", "r152-d72", "r152-d72-large", "final"),
    },
    "mobile": {"large", "small", "w0.75-c1024", "mnasnet", "moon", "large-p1"},
}


def cells(name):
    """The code of a notebook up to its last training."""
    book = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)
    code = [cell.source for cell in book.cells if cell.cell_type == "code"]
    last = max(number for number, text in enumerate(code) if "study.train(" in text)
    return [
        text for text in code[: last + 1] if "study.show" not in text and text[:9] != "augmented"
    ]


@pytest.mark.parametrize("name", NEEDED)
def test_every_configuration_is_built_at_its_real_shape(name, monkeypatch):
    configs, built = {}, set()

    def fail(*_):
        raise FileNotFoundError("no ImageNet weights here")

    def read(self, pictures, *_, **__):
        batch = make_batch(2, size=pictures.size, skeleton=pictures.skeleton)
        batch = replace(batch, masks=None, parts=None)
        return albums.Album(pictures.name, pictures.version, batch, albums.single(2))

    def train(self, task, configurations, train, tests=(), *, starts=None, title="{}", **common):
        albums = train if isinstance(train, dict) else {"": train}
        for each, own in configurations.items():
            options = study._merged(common, own)
            album = albums[options.pop("train", next(iter(albums)))]
            config = task.config(each, options, self.setting)
            shape = repr((config["network"], config["shape"], album.batch.size))
            if shape not in built:
                with torch.device("meta"), without_batch_norm():
                    task.build(config).eval()(torch.zeros(1, 3, *album.batch.size))
            built.add(shape)
            assert config.get("augmentation", "kim") in AUGMENTATIONS
            configs[each] = config
        return {}

    monkeypatch.setattr(encoders, "load_imagenet", fail)
    monkeypatch.setattr(study.Study, "train", train)
    monkeypatch.setattr(DataSets, "read", read)
    names = {}
    for text in cells(name):
        exec(text.replace('size: str = "smoke"', 'size: str = "paper"'), names)  # noqa: S102
    assert configs.keys() >= NEEDED[name]
    paper = names["study"].setting
    assert all(config["recipe"]["rate"] == paper["rate"] for config in configs.values())
    if name == "integral":
        recipes = {each: config["recipe"] for each, config in configs.items()}
        assert (recipes["final"]["batch"], recipes["final"]["epochs"]) == (14, 70)
        assert (recipes["r50-ppm"]["epochs"], recipes["r50"]["epochs"]) == (80, 140)
        assert configs["final"]["shape"] | {"weights": ""} == {
            "side": [384, 288],
            "depth": 72,
            "channels": 256,
            "weights": "",
        }
        assert {c["z_of_2d"] for n, c in configs.items() if n != "r50-mixed"} == {"zero"}
    assert {config["picture"] for config in configs.values()} == {"whole"}
