"""Made-up takes of MPI-INF-3DHP in exactly the release's two kinds of files."""

import cv2
import h5py
import numpy as np
from scipy.io import savemat

from posekit.data.mpi_inf_3dhp import TEST_CAMERAS

WIDTH, HEIGHT, FOCAL = 160, 120, 100.0


def camera_block(number):
    """What camera.calibration says of a camera that looks at the origin, 4 m away."""
    angle = 2 * np.pi * number / 14
    rotation = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, -1, 0], [np.sin(angle), 0, -np.cos(angle)]]
    )
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = rotation, [0, 0, 4000]
    lens = np.eye(4)
    lens[0, 0] = lens[1, 1] = FOCAL
    lens[0, 2], lens[1, 2] = WIDTH / 2, HEIGHT / 2
    intrinsic, extrinsic = (" ".join(f"{v:.9g}" for v in m.flatten()) for m in (lens, place))
    text = (
        f"name          {number}\n  sensor      10 10\n  size        {WIDTH} {HEIGHT}\n"
        f"  animated    0\n  intrinsic   {intrinsic} \n  extrinsic   {extrinsic} \n"
        "  radial      0\n"
    )
    return text, rotation, place[:3, 3]


def world_joints(frames, seed=0):
    """(T, 28, 3), mm, around the origin."""
    return np.random.default_rng(seed).uniform(-800, 800, (frames, 28, 3))


def cells(arrays):
    column = np.empty((len(arrays), 1), dtype=object)
    for row, array in enumerate(arrays):
        column[row, 0] = array
    return column


def write_take(folder, subject="S1", take=1, frames=6, videos=(0, 1), shift=0.0):
    """annot.mat, camera.calibration and videos whose red tells the frame."""
    place = folder / subject / f"Seq{take}"
    (place / "imageSequence").mkdir(parents=True)
    blocks = [camera_block(number) for number in range(14)]
    head = "Skeletool Camera Calibration File V1.0\n"
    (place / "camera.calibration").write_text(head + "".join(text for text, _, _ in blocks))
    world = world_joints(frames, seed=take) + np.array([shift, 0, 0])
    seen = [world @ rotation.T + move for _, rotation, move in blocks]
    pixels = [FOCAL * s[..., :2] / s[..., 2:] + [WIDTH / 2, HEIGHT / 2] for s in seen]
    numbers = np.arange(14, dtype=np.uint8)
    savemat(
        place / "annot.mat",
        {
            "annot2": cells([p.reshape(frames, 56) for p in pixels]),
            "annot3": cells([s.reshape(frames, 84) for s in seen]),
            "univ_annot3": cells([0.9 * s.reshape(frames, 84) for s in seen]),
            "cameras": numbers[None],
            "frames": np.arange(frames, dtype=float)[:, None],
        },
        do_compression=True,
    )
    for camera in videos:
        name = str(place / "imageSequence" / f"video_{camera}.avi")
        code = cv2.VideoWriter_fourcc(*"MJPG")
        video = cv2.VideoWriter(name, code, 25, (WIDTH, HEIGHT))
        for frame in range(frames):
            picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            picture[..., 2] = 40 * frame + 4 * camera
            video.write(picture)
        video.release()
    return world


def write_test(folder, take="TS1", frames=5, valid=(1, 0, 1, 1, 0), activities=(1, 0, 6, 6, 1)):
    """annot_data.mat, Matlab 7.3, and the pictures of the valid frames."""
    place = folder / take
    (place / "imageSequence").mkdir(parents=True)
    lens = TEST_CAMERAS[take]
    true = np.random.default_rng(3).uniform(-500, 500, (frames, 17, 3)) + [0, 0, 4000]
    pixels = np.array(lens.focal) * true[..., :2] / true[..., 2:] + lens.principal
    with h5py.File(place / "annot_data.mat", "w", userblock_size=512) as file:
        file["annot2"] = pixels[:, None]
        file["annot3"] = true[:, None]
        file["univ_annot3"] = 1.1 * true[:, None]
        file["valid_frame"] = np.array(valid, dtype=np.uint8)[:, None]
        file["activity_annotation"] = np.array(activities, dtype=float)[:, None]
        file["bb_crop"] = np.zeros((frames, 34))
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with (place / "annot_data.mat").open("r+b") as file:
        file.write(head)
    for frame in np.flatnonzero(valid):
        grey = np.full((lens.size[1], lens.size[0], 3), 20 * frame, np.uint8)
        cv2.imwrite(str(place / "imageSequence" / f"img_{frame + 1:06d}.jpg"), grey)
    return true
