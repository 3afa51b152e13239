"""A made-up take of MuPoTS-3D in exactly the release's files."""

import cv2
import numpy as np
from scipy.io import savemat

from posekit.data.mupots import SIZES

FOCAL, MIDDLE = np.array([1500.0, 1510.0]), np.array([1000.0, 1040.0])
VALID = np.array([[1, 1], [0, 1], [0, 0]])  # frame, person


def seen(joints):
    return FOCAL * joints[..., :2] / joints[..., 2:] + MIDDLE


def joints_of(valid=VALID, seed=0):
    """(frame, person, 17, 3), mm: persons side by side, 5 m away."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(-500, 500, (*valid.shape, 17, 3)) + [0, 0, 5000]
    return joints + np.arange(valid.shape[1])[:, None, None] * [1200, 0, 0]


def universal(joints):
    """As large as everybody, about the pelvis: no camera puts it onto the pixels."""
    pelvis = joints[..., 14:15, :]
    return pelvis + 1.1 * (joints - pelvis)


def cell_array(shape, value):
    array = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        array[place] = value(*place)
    return array


def write_take(folder, take="TS1", valid=VALID):
    """annot.mat, occlusion.mat and img_*.jpg, as Matlab writes cells of structs."""
    (folder / take).mkdir(parents=True)
    joints = joints_of(valid)
    covered = np.random.default_rng(1).integers(0, 2, joints.shape[:3])
    annotations = cell_array(
        valid.shape,
        lambda frame, person: {
            "annot2": seen(joints[frame, person]).T,
            "annot3": joints[frame, person].T,
            "univ_annot3": universal(joints[frame, person]).T,
            "isValidFrame": np.uint8(valid[frame, person]),
        },
    )
    labels = cell_array(valid.shape, lambda *place: covered[place].astype(float)[None])
    savemat(folder / take / "annot.mat", {"annotations": annotations}, do_compression=True)
    savemat(folder / take / "occlusion.mat", {"occlusion_labels": labels})
    width, height = SIZES[take]
    for frame in np.flatnonzero(valid.any(1)):
        grey = np.full((height, width, 3), 100 + frame, np.uint8)
        cv2.imwrite(str(folder / take / f"img_{frame:06d}.jpg"), grey)
    return joints, covered
