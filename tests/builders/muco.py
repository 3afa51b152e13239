"""A made-up MuCo-3DHP in exactly the form in which Moon et al. give it out."""

import json

import cv2
import numpy as np

SIZE, FOCAL, MIDDLE = 256, [300.0, 310.0], [127.0, 130.0]


def person(pelvis, seed=0):
    """21 joints within 300 mm of a pelvis, camera, mm."""
    away = np.random.default_rng(seed).uniform(-300, 300, (21, 3))
    away[14] = 0
    return np.array(pelvis) + away


def seen(joints):
    return np.array(FOCAL) * joints[:, :2] / joints[:, 2:] + MIDDLE


def written(folder, pictures):
    """MuCo-3DHP.json and its pictures, of the people given for each."""
    images, annotations = [], []
    for number, people in enumerate(pictures):
        name = f"unaugmented_set/{number // 500 + 1}/{number + 1:06d}.jpg"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        cv2.imwrite(str(folder / name), noise)
        images.append({"id": number, "file_name": name, "width": SIZE, "height": SIZE})
        images[-1] |= {"f": FOCAL, "c": MIDDLE}
        for joints in people:
            pixels = seen(joints)
            low, high = pixels.min(0), pixels.max(0)
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "bbox": [*low, *(high - low)],
                    "keypoints_cam": joints.tolist(),
                    "keypoints_img": pixels.tolist(),
                }
            )
    (folder / "MuCo-3DHP.json").write_text(
        json.dumps({"images": images, "annotations": annotations})
    )
    return folder / "MuCo-3DHP.json"


NEAR, FAR, ASIDE, BEHIND = (
    person(pelvis, seed)
    for seed, pelvis in enumerate(
        [(-700, 0, 2500), (0, 0, 3500), (900, 0, 3800), (-650, 100, 5000)],
    )
)
