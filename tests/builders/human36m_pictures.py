"""Human3.6M's pictures of the poses of `make_human36m`, in the two real layouts.

Grey, with a white disc at the pelvis and dark ones at the other joints, as the lens sees them.
"""

import json

import cv2
import numpy as np
import torch
from builders import human36m as make

TAKES = [("S9", "Directions", 1), ("S9", "Photo", 2), ("S11", "Directions", 2)]
RADIUS = 12.0


def photograph(subject, action, take, camera, frame):
    """Grey, with a dark disc at each joint and a white one at the pelvis, as the lens sees them."""
    width, height = camera.size
    picture = np.full((height, width, 3), 90.0)
    picture += np.linspace(0, 40, width)[None, :, None]
    pixels = make.truth(subject, action, take, camera)[1][frame].numpy()
    for joint in range(16, -1, -1):
        x, y = pixels[joint]
        left, top = int(x) - 16, int(y) - 16
        if not (0 <= left < width - 33 and 0 <= top < height - 33):
            continue
        rows, columns = np.mgrid[top : top + 33, left : left + 33]
        share = np.clip(RADIUS - np.hypot(columns - x, rows - y) + 0.5, 0, 1)[..., None]
        ink = (255, 255, 255) if joint == 0 else (20, 3 * joint, 60)
        part = picture[top : top + 33, left : left + 33]
        picture[top : top + 33, left : left + 33] = part * (1 - share) + share * ink
    return picture.round().astype(np.uint8)


def names(subject, action, take, number):
    """The folder of a recording, camera `number` of 1 to 4."""
    act = make.ACTIONS.index(action) + 2
    return f"s_{int(subject[1:]):02d}_act_{act:02d}_subact_{take:02d}_ca_{number:02d}"


def span(subject, action, take, camera, frame):
    """Moon et al.'s box as their converter writes it: of pinhole projections."""
    points = make.truth(subject, action, take, camera)[0][frame].numpy()
    pixels = points[:, :2] / points[:, 2:] * camera.focal.numpy() + camera.principal.numpy()
    (x1, y1), (x2, y2) = pixels.min(0), pixels.max(0)
    w, h = x2 - x1 - 1, y2 - y1 - 1
    return [(x1 + x2) / 2 - w / 2 * 1.2, (y1 + y2) / 2 - h / 2 * 1.2, w * 1.2, h * 1.2]


def write_boxes(folder, subject, box=span):
    """Human36M_subject*_data.json, which leaves out the damaged view as the real one does."""
    images, people = [], []
    for action in make.ACTIONS:
        for take in (1, 2):
            for number, camera in enumerate(make.cameras(subject), start=1):
                name = names(subject, action, take, number)
                if name == "s_11_act_02_subact_02_ca_01":
                    continue
                for frame in range(make.FRAMES):
                    images.append(
                        {
                            "id": len(images),
                            "file_name": f"{name}/{name}_{frame + 1:06d}.jpg",
                            "width": camera.size[0],
                            "height": camera.size[1],
                            "subject": int(subject[1:]),
                            "action_name": action,
                            "action_idx": make.ACTIONS.index(action) + 2,
                            "subaction_idx": take,
                            "cam_idx": number,
                            "frame_idx": frame,
                        }
                    )
                    people.append(
                        {
                            "id": len(people),
                            "image_id": images[-1]["id"],
                            "keypoints_vis": [True] * 17,
                            "bbox": [float(v) for v in box(subject, action, take, camera, frame)],
                        }
                    )
    path = folder / "annotations" / f"Human36M_subject{subject[1:]}_data.json"
    path.write_text(json.dumps({"images": images, "annotations": people}))


def write_folders(folder):
    make.moon(folder)
    for subject in make.SUBJECTS:
        write_boxes(folder, subject)
    for key in TAKES:
        for number, camera in enumerate(make.cameras(key[0]), start=1):
            place = folder / "images" / names(*key, number)
            if place.name == "s_11_act_02_subact_02_ca_01":
                continue
            place.mkdir(parents=True)
            for frame in range(make.FRAMES):
                picture = photograph(*key, camera, frame)
                path = place / f"{place.name}_{frame + 1:06d}.jpg"
                cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
    return folder


def write_videos(folder):
    for subject, action, take in TAKES:
        name = make.raw_name(subject, action, take).replace("Photo", "TakingPhoto")
        for camera in make.cameras(subject):
            points = torch.from_numpy(make.world(subject, action, take))
            mono = camera.world_to_camera(points).reshape(1, make.FRAMES, 96).numpy()
            flat = make.full_2d(subject, action, take, camera)[None]
            place = folder / subject / "MyPoseFeatures"
            for kind, values in (("D3_Positions_mono", mono), ("D2_Positions", flat)):
                make.write_cdf(place / kind / f"{name}.{camera.name}.cdf", values)
            frames = [photograph(subject, action, take, camera, f) for f in range(make.FRAMES)]
            # Videos run on after the poses.
            write_video(folder, subject, f"{name}.{camera.name}", [*frames, frames[0], frames[0]])
        write_video(folder, subject, f"_ALL.{camera.name}", frames[:1])
    return folder


def write_video(folder, subject, name, frames):
    path = folder / subject / "Videos" / f"{name}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 50, (width, height))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def plain_subject(folder, every=make.FRAMES, subjects=("S9",)):
    """Subjects whole, with one and the same picture for all frames that are a multiple of `every`."""
    make.moon(folder, (*make.SUBJECTS, *subjects))
    ready = {}
    for subject, action, take in make.takes(subjects):
        if (action, take) == (make.ACTIONS[0], 1):
            write_boxes(folder, subject)
        for number, camera in enumerate(make.cameras(subject), start=1):
            place = folder / "images" / names(subject, action, take, number)
            place.mkdir(parents=True)
            if camera.size not in ready:
                blank = np.zeros((camera.size[1], camera.size[0], 3), np.uint8)
                ready[camera.size] = cv2.imencode(".jpg", blank)[1].tobytes()
            for frame in range(0, make.FRAMES, every):
                path = place / f"{place.name}_{frame + 1:06d}.jpg"
                path.write_bytes(ready[camera.size])
    return folder


def write_poses(folder):
    """One take's poses, no videos."""
    camera = make.cameras("S9")[0]
    points = torch.from_numpy(make.world("S9", "Eating", 1))
    mono = camera.world_to_camera(points).reshape(1, make.FRAMES, 96).numpy()
    make.write_cdf(folder / f"S9/MyPoseFeatures/D3_Positions_mono/Eating 1.{camera.name}.cdf", mono)
    return folder


def video_subject(folder, frames=make.FRAMES):
    """One take of one camera, with a video of so many frames; returns the video's path."""
    write_poses(folder)
    camera = make.cameras("S9")[0]
    pictures = [photograph("S9", "Eating", 1, camera, f % make.FRAMES) for f in range(frames)]
    return write_video(folder, "S9", f"Eating 1.{camera.name}", pictures)
