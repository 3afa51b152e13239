"""Tiny files in the formats of Human3.6M's four preparations, all holding the same made-up poses.

Everything here follows the published descriptions of the formats, not the code under test.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from posekit.geometry.camera import HUMAN36M_INTRINSICS, Camera

SUBJECTS = ("S9", "S11")
ALL = (*SUBJECTS, "S1", "S5", "S6", "S7", "S8")
ACTIONS = [
    *("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Posing", "Purchases"),
    *("Sitting", "SittingDown", "Smoking", "Photo", "Waiting", "Walking", "WalkDog"),
    "WalkTogether",
]
# Of Human3.6M's 32 joints, those that papers use.
USED = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
FRAMES = 6
# Names of takes 1 and 2 in the official files, where they are not "Action 1" and "Action".
NAMES = {
    ("S9", "Discussion"): ("Discussion 1", "Discussion 2"),
    ("S9", "SittingDown"): ("SittingDown", "SittingDown 1"),
    ("S11", "Discussion"): ("Discussion 1", "Discussion 2"),
    ("S11", "Greeting"): ("Greeting 2", "Greeting"),
    ("S11", "Phoning"): ("Phoning 3", "Phoning 2"),
    ("S11", "SittingDown"): ("SittingDown", "SittingDown 1"),
    ("S11", "Smoking"): ("Smoking 2", "Smoking"),
    ("S5", "Discussion"): ("Discussion 2", "Discussion 3"),
}
NAMES |= {
    (subject, action): (f"{action} 1", f"{action} 2")
    for subject, action in [
        *[("S1", "Sitting"), ("S5", "Directions"), ("S5", "Greeting"), ("S5", "Waiting")],
        *[("S6", "Eating"), ("S6", "Sitting"), ("S7", "Waiting"), ("S7", "Walking")],
        ("S8", "WalkTogether"),
    ]
}


def raw_name(subject, action, take):
    names = NAMES.get((subject, action), (f"{action} 1", action))
    return names[take - 1]


def takes(subjects=SUBJECTS):
    return [(s, a, t) for s in subjects for a in ACTIONS for t in (1, 2)]


@cache
def world(subject, action, take):
    """(FRAMES, 32, 3) mm, z up: 32 points about a place in the studio."""
    seed = [ALL.index(subject), ACTIONS.index(action), take]
    rng = np.random.default_rng(seed)
    place = np.append(rng.uniform(-500, 500, 2), 900)
    return place + rng.normal(0, 300, (FRAMES, 32, 3))


@cache
def cameras(subject):
    """Four cameras about the studio, looking at its middle, a little different for each subject."""
    made = []
    for i, lens in enumerate(HUMAN36M_INTRINSICS.values()):
        angle = np.pi / 4 + i * np.pi / 2 + 0.01 * ALL.index(subject)
        centre = np.array([5000 * np.cos(angle), 5000 * np.sin(angle), 1600.0])
        forward = np.array([0, 0, 900]) - centre
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        made.append(lens.at(np.stack([right, np.cross(forward, right), forward]), centre))
    return made


@cache
def truth(subject, action, take, camera: Camera):
    """(camera mm, px) of the 17 joints, float64."""
    points = torch.from_numpy(world(subject, action, take)[:, USED])
    seen = (points - camera.centre) @ camera.rotation.T
    return seen, camera.project(seen)


def full_2d(subject, action, take, camera):
    """The 32 joints' pixels as rows of 64 numbers."""
    points = torch.from_numpy(world(subject, action, take))
    return camera.project(camera.world_to_camera(points)).reshape(FRAMES, 64).numpy()


def videopose3d(folder: Path, detections=("gt",), layout="h36m", joints=17):
    positions, pixels = {}, {}
    for s, a, t in takes():
        if (s, a, t) == ("S11", "Directions", 2):  # not in the published file
            continue
        name = raw_name(s, a, t)
        metres = (world(s, a, t) / 1000).astype(np.float32)
        positions.setdefault(s, {})[name] = metres
        # Videos run longer than the motion capture.
        views = [truth(s, a, t, c)[1].numpy() for c in cameras(s)]
        views = [np.concatenate([v, v[-1:]])[:, :joints].astype(np.float32) for v in views]
        pixels.setdefault(s, {})[name] = views
    folder.mkdir(exist_ok=True)
    np.savez(folder / "data_3d_h36m.npz", positions_3d=positions)
    metadata = {"layout_name": layout, "num_joints": joints, "keypoints_symmetry": [[4], [1]]}
    for name in detections:
        path = folder / f"data_2d_h36m_{name}.npz"
        np.savez(path, positions_2d=pixels, metadata=metadata)
    (folder / "h36m_cameras.json").write_text(json.dumps(camera_tables()))
    return folder


def camera_tables():
    """The two tables of VideoPose3D: quaternions (w, x, y, z) camera to world, p reversed."""
    intrinsics = [
        {
            "id": c.name,
            "center": list(c.principal),
            "focal_length": list(c.focal),
            "radial_distortion": list(c.radial),
            "tangential_distortion": list(c.tangential)[::-1],
            "res_w": c.size[0],
            "res_h": c.size[1],
        }
        for c in HUMAN36M_INTRINSICS.values()
    ]
    extrinsics = {"S2": [{}, {}, {}, {}]}
    for subject in SUBJECTS:
        extrinsics[subject] = []
        for camera in cameras(subject):
            x, y, z, w = Rotation.from_matrix(camera.rotation.numpy().T).as_quat().tolist()
            stand = {"orientation": [w, x, y, z], "translation": camera.centre.tolist()}
            extrinsics[subject].append(stand)
    return {
        "h36m_cameras_intrinsic_params": intrinsics,
        "h36m_cameras_extrinsic_params": extrinsics,
    }


def martinez(folder: Path, detections=(), subjects=SUBJECTS):
    """Files of test subjects, and of others those to train on."""
    folder.mkdir(exist_ok=True)
    for part, own in (("test", SUBJECTS), ("train", ALL[len(SUBJECTS) :])):
        if chosen := [s for s in own if s in subjects]:
            _martinez(folder, part, detections, chosen)
    return folder


def _martinez(folder, part, detections, subjects):
    poses, pixels, stands = {}, {}, {}
    for s, a, t in takes(subjects):
        number, name = int(s[1:]), raw_name(s, a, t)
        poses[number, a, f"{name}.h5"] = world(s, a, t).reshape(FRAMES, 96)
        for i, c in enumerate(cameras(s), start=1):
            stands[number, i] = (
                c.rotation.numpy(),
                c.centre.numpy().reshape(3, 1),
                c.focal.numpy().reshape(2, 1),
                c.principal.numpy().reshape(2, 1),
                c.radial.numpy().reshape(3, 1),
                c.tangential.numpy().reshape(2, 1),
                c.name,
            )
            if (s, a, t, i) != ("S11", "Directions", 2, 1):
                pixels[number, a, f"{name}.{c.name}.h5-sh"] = full_2d(s, a, t, c)
    if (folder / "cameras.npy").exists():
        stands |= np.load(folder / "cameras.npy", allow_pickle=True).item()
    np.save(folder / "cameras.npy", np.array(stands, dtype=object))
    np.save(folder / f"threeDPose_{part}.npy", np.array(poses, dtype=object))
    for name in detections:
        np.save(folder / f"twoDPose_{name}_{part}.npy", np.array(pixels, dtype=object))


def moon(folder: Path, subjects=SUBJECTS):
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for s in subjects:
        stands = {}
        for i, c in enumerate(cameras(s), start=1):
            stands[str(i)] = {
                "R": c.rotation.tolist(),
                "t": (-c.rotation @ c.centre).tolist(),
                "f": c.focal.tolist(),
                "c": c.principal.tolist(),
            }
        poses = {}
        for a in ACTIONS:
            poses[str(ACTIONS.index(a) + 2)] = {
                str(t): {str(f): p.tolist() for f, p in enumerate(world(s, a, t)[:, USED])}
                for t in (1, 2)
            }
        start = folder / "annotations" / f"Human36M_subject{s[1:]}"
        start.with_name(start.name + "_camera.json").write_text(json.dumps(stands))
        start.with_name(start.name + "_joint_3d.json").write_text(json.dumps(poses))
    return folder


def raw(folder: Path):
    for s, a, t in takes():
        # In two actions the official names differ from those of the other preparations.
        name = raw_name(s, a, t).replace("Photo", "TakingPhoto").replace("WalkDog", "WalkingDog")
        for c in cameras(s):
            points = torch.from_numpy(world(s, a, t))
            place = folder / s / "MyPoseFeatures"
            mono = c.world_to_camera(points).reshape(1, FRAMES, 96).numpy()
            write_cdf(place / "D3_Positions_mono" / f"{name}.{c.name}.cdf", mono)
            write_cdf(place / "D2_Positions" / f"{name}.{c.name}.cdf", full_2d(s, a, t, c)[None])
    return folder


def write_cdf(path: Path, values):
    from cdflib.cdfwrite import CDF

    path.parent.mkdir(parents=True, exist_ok=True)
    with CDF(path, cdf_spec={"Majority": "row_major"}, delete=True) as file:
        spec = {
            "Variable": "Pose",
            "Data_Type": CDF.CDF_FLOAT,
            "Num_Elements": 1,
            "Rec_Vary": True,
            "Dim_Sizes": list(values.shape[1:]),
        }
        file.write_var(spec, var_data=values.astype(np.float32))
