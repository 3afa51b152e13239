"""Tiny files in exactly the keys, shapes and types that SPIN's datasets/preprocess writes."""

from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 160, 120
# What each script gives to numpy.savez, besides imgname, center and scale.
KEYS = {
    "lsp_dataset_original_train": ("part", "openpose"),
    "mpii_train": ("part", "openpose"),
    "hr-lspet_train": ("part", "openpose"),
    "coco_2014_train": ("part", "openpose"),
    "mpi_inf_3dhp_train": ("part", "pose", "shape", "has_smpl", "S", "openpose"),
    "h36m_train": ("part", "S"),
    "h36m_valid_protocol1": ("S",),
    "h36m_valid_protocol2": ("S",),
    "mpi_inf_3dhp_valid": ("part", "S"),
    "3dpw_test": ("pose", "shape", "gender"),
    "lsp_dataset_test": ("maskname", "partname", "part"),
}
NAMES = {
    "lsp_dataset_original_train": "images/im{:04d}.jpg",
    "mpii_train": "images/{:09d}.jpg",
    "hr-lspet_train": "im{:05d}.png",
    "coco_2014_train": "train2014/COCO_train2014_{:012d}.jpg",
    "mpi_inf_3dhp_train": "S2/Seq1/imageFrames/video_4/frame_{:06d}.jpg",
    "h36m_train": "images/S1_Directions_1.54138969_{:06d}.jpg",
    "h36m_valid_protocol1": "images/S9_WalkingDog_1.60457274_{:06d}.jpg",
    "h36m_valid_protocol2": "images/S11_Phoning_3.60457274_{:06d}.jpg",
    "mpi_inf_3dhp_valid": "mpi_inf_3dhp_test_set/TS3/imageSequence/img_{:06d}.jpg",
    "3dpw_test": "imageFiles/downtown_bar_00/image_{:05d}.jpg",
    "lsp_dataset_test": "images/im{:04d}.jpg",
}
FOLDERS = {  # of the pictures, beside the label files
    "lsp_dataset_original_train": "lsp_dataset_original",
    "mpii_train": "mpii",
    "hr-lspet_train": "hr-lspet",
    "coco_2014_train": "coco",
    "mpi_inf_3dhp_train": "mpi_inf_3dhp",
    "h36m_train": "h36m",
    "h36m_valid_protocol1": "h36m",
    "h36m_valid_protocol2": "h36m",
    "mpi_inf_3dhp_valid": "mpi_inf_3dhp",
    "3dpw_test": "3dpw",
    "lsp_dataset_test": "lsp_dataset",
}
# The joints that each script fills, of 24: SPIN's own lists, `joints_idx` and `global_idx`.
_H36M = [14, 3, 4, 5, 2, 1, 0, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6]
FILLED = {
    "coco_2014_train": [19, 20, 21, 22, 23, 9, 8, 10, 7, 11, 6, 3, 2, 4, 1, 5, 0],
    "mpii_train": [0, 1, 2, 3, 4, 5, 14, 15, 12, 13, 6, 7, 8, 9, 10, 11],
    "mpi_inf_3dhp_train": _H36M,
    "mpi_inf_3dhp_valid": _H36M,
    "h36m_train": _H36M,
    "h36m_valid_protocol1": _H36M,
    "h36m_valid_protocol2": _H36M,
}


def held(stem: str, count: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    """What a file has, of made-up people."""
    rng = np.random.default_rng(seed)
    filled = FILLED.get(stem, list(range(14)))
    part, S = np.zeros((count, 24, 3)), np.zeros((count, 24, 4))
    part[:, filled, :2] = rng.uniform((20, 10), (140, 110), (count, len(filled), 2))
    S[:, filled, :3] = rng.uniform(-0.9, 0.9, (count, len(filled), 3))
    S[:, :, :3] -= S[:, 14:15, :3] * (np.isin(range(24), filled)[:, None])
    part[:, filled, 2] = S[:, filled, 3] = 1
    numbers = range(1001, 1001 + count) if stem == "lsp_dataset_test" else range(1, 1 + count)
    every = {
        "imgname": np.array([NAMES[stem].format(number) for number in numbers]),
        "center": rng.uniform((60, 50), (100, 70), (count, 2)),
        "scale": rng.uniform(0.3, 0.6, count),
        "part": part,
        "S": S,
        "openpose": rng.uniform(0.2, 1, (count, 25, 3)) * [WIDTH, HEIGHT, 1],
        "pose": rng.normal(0, 0.5, (count, 72)),
        "shape": rng.normal(0, 1, (count, 10)),
        "has_smpl": (np.arange(count) % 2 == 0).astype(np.uint8),
        "gender": np.array(["m", "f"] * count)[:count],
        "maskname": np.array([f"data/lsp/im{n:04d}_segmentation.png" for n in numbers]),
        "partname": np.array([f"data/lsp/im{n:04d}_part_segmentation.png" for n in numbers]),
    }
    return {key: every[key] for key in ("imgname", "center", "scale", *KEYS[stem])}


def write(folder: Path, stem: str, count: int = 4, seed: int = 0, **changed) -> dict:
    """A label file with its pictures, whose red tells the number; `changed` keys; None: left out."""
    folder.mkdir(parents=True, exist_ok=True)
    table = {
        key: value
        for key, value in (held(stem, count, seed) | changed).items()
        if value is not None
    }
    np.savez(folder / f"{stem}.npz", **table)
    for row, name in enumerate(table["imgname"]):
        path = folder / FOLDERS[stem] / str(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[..., 2] = 40 * (row % 6) + 20
        cv2.imwrite(str(path), picture)
    return table


def write_masks(folder: Path, names, parts) -> None:
    """UPi-S1h's two files of each picture: white where a person is, and the parts' numbers."""
    for (mask, part), labels in zip(names, parts, strict=True):
        (folder / mask).parent.mkdir(parents=True, exist_ok=True)
        person = np.isin(labels, range(1, 7))
        cv2.imwrite(str(folder / mask), np.repeat(255 * person[..., None].astype(np.uint8), 3, 2))
        cv2.imwrite(str(folder / part), labels)


def train(folder: Path, counts: dict[str, int]) -> dict[str, dict]:
    """Label files of the training sets with their pictures."""
    return {
        stem: write(folder, stem, count, seed=row)
        for row, (stem, count) in enumerate(counts.items())
    }
