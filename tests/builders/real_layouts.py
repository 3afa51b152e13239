"""Every data set that the notebooks read at size `paper`, tiny and in its real layout.

From the folder `tests`, `python -m builders.real_layouts FOLDER` writes them and prints the commands
that rehearse `paper` on them.
"""

import sys
from pathlib import Path

import numpy as np
from builders import human36m, human36m_pictures, mpii, muco, mupots, smpl, spin

SPIN_TRAIN = (
    "mpi_inf_3dhp_train",
    "lsp_dataset_original_train",
    "mpii_train",
    "hr-lspet_train",
    "coco_2014_train",
)
SPIN_TEST = ("h36m_valid_protocol1", "mpi_inf_3dhp_valid", "3dpw_test", "lsp_dataset_test")


def poses(folder: Path) -> str:
    """EvoSkeleton's files of all subjects, with HRNet's detections; words for `--data`."""
    human36m.martinez(folder / "evoskeleton", ("HRN",), human36m.ALL)
    return f"human36m={folder / 'evoskeleton'}"


def people(folder: Path) -> str:
    """MPII's two splits with pictures."""
    place = folder / "mpii"
    place.mkdir()
    for seed, split in enumerate(("train", "valid")):
        mpii.write_hrnet(place / f"{split}.json", mpii.people(8, seed))
    mpii.write_pictures(place / "images", mpii.people(8))
    return f"mpii={place}"


def pictures(folder: Path) -> str:
    """Human3.6M's pictures of all subjects, in the folders of 3DMPPE."""
    human36m_pictures.plain_subject(folder / "human36m", every=5, subjects=human36m.ALL)
    return f"human36m={folder / 'human36m'}"


def crowds(folder: Path) -> str:
    """MuCo-3DHP and MuPoTS-3D."""
    made = folder / "muco"
    made.mkdir()
    muco.written(made, [[muco.NEAR, muco.FAR], [muco.ASIDE], [muco.BEHIND]])
    for take in mupots.SIZES:
        mupots.write_take(folder / "mupots", take)
    return f"muco={made},mupots={folder / 'mupots'}"


def bodies(folder: Path) -> str:
    """SPIN's label files with their pictures, and SMPL's files."""
    (folder / "smpl").mkdir()
    smpl.write(folder / "smpl")
    held = folder / "spin"
    spin.train(held, dict.fromkeys(SPIN_TRAIN, 6))
    for row, stem in enumerate(SPIN_TEST):
        table = spin.write(held, stem, 6, seed=row)
    labels = np.tile(np.arange(spin.WIDTH) * 7 // spin.WIDTH, (spin.HEIGHT, 1)).astype(np.uint8)
    names = list(zip(table["maskname"], table["partname"], strict=True))
    spin.write_masks(held / "upi-s1h", names, [labels] * len(names))
    return f"spin={held},smpl={folder / 'smpl'}"


def write(folder: Path) -> dict[str, str]:
    """All of them: notebook -> the words for its `--data`."""
    folder.mkdir(parents=True, exist_ok=True)
    mixed = f"{pictures(folder)},{people(folder)}"
    return {
        "lifting": poses(folder),
        "hourglass": mixed.partition(",")[2],
        "integral": mixed,
        "mobile": f"{mixed},{crowds(folder)}",
        "mesh": bodies(folder),
    }


if __name__ == "__main__":
    for notebook, words in write(Path(sys.argv[1]).resolve()).items():
        given = " ".join(f"--data {word}" for word in words.split(","))
        print(f"posekit rehearse {notebook} --size paper {given}")
