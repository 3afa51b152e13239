"""MuCo-3DHP as Moon et al. give it out: a made-up file in exactly that form."""

import json

import numpy as np
import pytest
import torch
from builders.muco import ASIDE, BEHIND, FAR, NEAR, seen, written

from posekit.data.batch import HIDDEN, SEEN
from posekit.data.check import check
from posekit.data.muco import load, read
from posekit.geometry.skeleton import MPI_INF_3DHP17, MUCO21, convert

MOONS_NAMES = [
    "Head_top",
    "Thorax",
    "R_Shoulder",
    "R_Elbow",
    "R_Wrist",
    "L_Shoulder",
    "L_Elbow",
    "L_Wrist",
    "R_Hip",
    "R_Knee",
    "R_Ankle",
    "L_Hip",
    "L_Knee",
    "L_Ankle",
    "Pelvis",
    "Spine",
    "Head",
    "R_Hand",
    "L_Hand",
    "R_Toe",
    "L_Toe",
]


def test_the_skeleton_is_moons_joint_by_joint():
    ours = {"Thorax": "neck_base", "Head": "mid_head"}
    renamed = [ours.get(name, name.lower()) for name in MOONS_NAMES]
    sides = [name.replace("r_", "right_").replace("l_", "left_") for name in renamed]
    assert sides == list(MUCO21.joints)


def test_everything_of_an_entry_is_read(tmp_path):
    found = read(written(tmp_path, [[NEAR, ASIDE], [FAR]]))
    assert found.rows["image_id"].tolist() == [0, 0, 1] and len(found.by_picture()) == 2
    assert np.allclose(found.joints3d.numpy(), [NEAR, ASIDE, FAR])
    assert np.allclose(found.joints2d.numpy(), [seen(joints) for joints in (NEAR, ASIDE, FAR)])
    # The picture's own camera puts each joint where the file has its pixel.
    placed = found.joints3d @ found.intrinsics.mT
    assert torch.allclose(placed[..., :2] / placed[..., 2:], found.joints2d)
    poses = convert(found.joints3d, MUCO21, MPI_INF_3DHP17)
    assert not poses.missing and torch.equal(poses.pose, found.joints3d[:, :17])


def test_people_are_chosen_as_moon_et_al_choose_them(tmp_path):
    # The nearest, whoever is close to them; of the rest only who stands 500 mm away from all.
    path = written(tmp_path, [[NEAR, FAR, ASIDE, BEHIND], [BEHIND], [FAR, FAR + 10]])
    found = read(path)
    assert found.rows["person"].tolist() == [0, 1, 2, 4, 5]
    # Depth does not count: two at one place in x and y, however far behind one another.
    behind = FAR + np.array([0, 0, 3000])
    assert read(written(tmp_path, [[FAR, behind]])).rows["person"].tolist() == [0]
    # At exactly 500 mm they are apart.
    aside = FAR + np.array([500.0, 0, 1])
    assert len(read(written(tmp_path, [[FAR, aside]]))) == 2


def test_pictures_have_their_camera_and_their_depths(tmp_path):
    written(tmp_path, [[FAR]])
    pictures = load(tmp_path, size=128)
    batch = pictures[:]
    assert batch.has_joints3d.all() and not batch.has_body.any()
    placed = batch.joints3d @ batch.intrinsics.mT
    assert torch.allclose(placed[..., :2] / placed[..., 2:], batch.joints2d, atol=1e-3)
    expected = [SEEN if 0 <= x <= 255 and 0 <= y <= 255 else HIDDEN for x, y in seen(FAR)]
    assert batch.visible[0].tolist() == expected
    assert pictures.name == "muco"
    before = pictures.fingerprint()
    assert load(tmp_path, size=128).fingerprint() == before
    written(tmp_path, [[FAR + 1]])
    assert load(tmp_path, size=128).fingerprint() != before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c["annotations"][1].pop("keypoints_cam"), r"annotation 1 .*\(21, 3\)"),
        (lambda c: c["annotations"][1]["keypoints_img"].pop(), r"annotation 1 .*\(21, 2\)"),
        (lambda c: c["annotations"][1]["keypoints_cam"][3].__setitem__(2, -1.0), "behind"),
        (lambda c: c["annotations"][1]["keypoints_cam"][3].__setitem__(2, float("nan")), "1 .*21"),
        (lambda c: c["images"][0].pop("f"), "annotation 0 .*None"),
        (lambda c: c["images"][0].update(f=[0, 300]), "focal length is not positive"),
        (lambda c: c["images"][0].update(file_name="a/../../b.jpg"), "leads out of the folder"),
        (lambda c: c.update(annotations=[]), "nobody is in it"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, spoil, message):
    path = written(tmp_path, [[NEAR, FAR]])
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read(path)


def test_a_folder_is_checked(tmp_path):
    assert "3DMPPE_POSENET_RELEASE" in str(check("muco", tmp_path))
    written(tmp_path, [[NEAR, FAR, ASIDE, BEHIND], [FAR]])
    report = check("muco", tmp_path)
    assert report.ok and "4 persons, moon" in str(report)
    (tmp_path / "unaugmented_set" / "1" / "000002.jpg").unlink()
    assert "1 of 2 not in" in str(check("muco", tmp_path))
    (tmp_path / "MuCo-3DHP.json").write_text("[]")
    assert "has no lists" in str(check("muco", tmp_path))
