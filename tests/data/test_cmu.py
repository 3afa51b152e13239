"""CMU motion capture: our reading of ASF/AMC against an independent one and against a hand-made
skeleton whose poses are known in closed form."""

import numpy as np
import pytest
import torch

from posekit.data import cmu
from posekit.geometry.skeleton import H36M17

UNIT = 25.4 / 0.45  # mm
# Every bone the 17 joints need: name, parent, direction, length, dof.
BONES = [
    ("rhipjoint", "root", "-1 0 0", 2, ""),
    ("rfemur", "rhipjoint", "0 -1 0", 7, "rx ry rz"),
    ("rtibia", "rfemur", "0 -1 0", 7, "rx"),
    ("lhipjoint", "root", "1 0 0", 2, ""),
    ("lfemur", "lhipjoint", "0 -1 0", 7, "rx ry rz"),
    ("ltibia", "lfemur", "0 -1 0", 7, "rx"),
    ("upperback", "root", "0 1 0", 4, "rx ry rz"),
    ("lowerneck", "upperback", "0 1 0", 5, ""),
    ("upperneck", "lowerneck", "0 1 0", 2, ""),
    ("head", "upperneck", "0 1 0", 2, ""),
    ("lclavicle", "lowerneck", "1 0 0", 3, ""),
    ("lhumerus", "lclavicle", "1 0 0", 5, "rx ry rz"),
    ("lradius", "lhumerus", "1 0 0", 4, "rx"),
    ("rclavicle", "lowerneck", "-1 0 0", 3, ""),
    ("rhumerus", "rclavicle", "-1 0 0", 5, "rx ry rz"),
    ("rradius", "rhumerus", "-1 0 0", 4, "rx"),
]


ROOT = {"order": "TX TY TZ RX RY RZ", "axis": "XYZ", "position": "0 0 0", "orientation": "0 0 0"}


def skeleton_text(axis="0 0 0 XYZ", **root):
    lines = [":version 1.10", ":units", "  mass 1.0", "  length 0.45", "  angle deg", ":root"]
    lines += [f"  {name} {value}" for name, value in (ROOT | root).items()] + [":bonedata"]
    for number, (name, _, direction, length, dof) in enumerate(BONES, start=1):
        lines += ["  begin", f"    id {number}", f"    name {name}", f"    direction {direction}"]
        lines += [f"    length {length}", f"    axis {axis}"] + [f"    dof {dof}"] * bool(dof)
        lines += ["    limits (-10.0 10.0)"] * bool(dof) + ["  end"]
    lines += [":hierarchy", "  begin"]
    parents = dict.fromkeys(parent for _, parent, *_ in BONES)
    for parent in parents:
        children = [name for name, of, *_ in BONES if of == parent]
        lines.append(f"    {parent} {' '.join(children)}")
    return "\n".join([*lines, "  end", ""])


def motion_text(roots, angles=None):
    lines = ["#!OML:ASF made.asf", ":FULLY-SPECIFIED", ":DEGREES"]
    for number, root in enumerate(roots, start=1):
        lines += [str(number), "root " + " ".join(map(str, root))]
        for name, _, _, _, dof in BONES:
            if dof:
                values = (angles or {}).get(name, [0.0] * len(dof.split()))
                lines.append(f"{name} " + " ".join(map(str, values)))
    return "\n".join([*lines, ""])


def write(folder, motions, performer="07", axis="0 0 0 XYZ", **root):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{performer}.asf").write_text(skeleton_text(axis, **root))
    for name, text in motions.items():
        (folder / f"{performer}_{name}.amc").write_text(text)
    return folder


def joint(motion, name):
    return motion.joints[:, H36M17.index(name)].numpy()


def test_all_motions_agree_with_an_independent_conversion(shared):
    folder = shared / "cmu_mocap"
    with np.load(folder / "h36m17_50hz.npz") as theirs:
        motions = cmu.load(folder)
        assert [m.action for m in motions] == sorted(theirs)
        for motion in motions:
            assert motion.joints.shape == theirs[motion.action].shape
            gap = np.linalg.norm(motion.joints.numpy() - 1000 * theirs[motion.action], axis=-1)
            assert gap.max() < 0.01, motion.action  # mm


def test_performers_and_motions_are_named_as_the_files_are(shared):
    folder = shared / "cmu_mocap"
    assert tuple(cmu.skeletons(folder)) == ("01", "02", "03", "11")
    (motion,) = cmu.load(folder, ["11"])
    assert (motion.subject, motion.action, motion.take, motion.rate) == ("11", "11_01", 1, 50)


def test_people_stand_upright_with_their_right_on_the_right(shared):
    (walk,) = (m for m in cmu.load(shared / "cmu_mocap", ["02"]) if m.action == "02_01")
    up = joint(walk, "head") - joint(walk, "pelvis")
    assert (up[:, 2] > 500).all()
    travel = joint(walk, "pelvis")[-1] - joint(walk, "pelvis")[0]
    assert np.linalg.norm(travel) > 1000
    # Walking forward, the right hip is on the right: travel x right points down.
    right = (joint(walk, "right_hip") - joint(walk, "left_hip")).mean(axis=0)
    assert np.cross(travel, right)[2] < 0


def test_the_rest_pose_follows_from_directions_and_lengths(tmp_path):
    write(tmp_path, {"01": motion_text([(1, 20, 3, 0, 0, 0)])})
    (motion,) = cmu.load(tmp_path)
    # Acclaim's y is up: (x, y, z) becomes (x, -z, y).
    assert joint(motion, "pelvis")[0] == pytest.approx(np.array([1, -3, 20]) * UNIT)
    assert joint(motion, "right_ankle")[0] == pytest.approx(np.array([-1, -3, 6]) * UNIT)
    assert joint(motion, "head")[0] == pytest.approx(np.array([1, -3, 33]) * UNIT)
    assert joint(motion, "left_wrist")[0] == pytest.approx(np.array([13, -3, 29]) * UNIT)


def test_a_bent_knee_turns_only_what_hangs_on_it(tmp_path):
    angles = {"rfemur": (-90, 0, 0), "rtibia": (90,)}  # thigh forward, shin down again
    write(tmp_path, {"01": motion_text([(0, 20, 0, 0, 0, 0)], angles)})
    (motion,) = cmu.load(tmp_path)
    assert joint(motion, "right_knee")[0] == pytest.approx(np.array([-2, -7, 20]) * UNIT)
    assert joint(motion, "right_ankle")[0] == pytest.approx(np.array([-2, -7, 13]) * UNIT)
    assert joint(motion, "left_ankle")[0] == pytest.approx(np.array([2, 0, 6]) * UNIT)


def test_angles_turn_about_x_then_y_then_z(tmp_path):
    # The left hip (2, 0, 0): x leaves it, y brings it to (0, 0, -2), where z leaves it.
    write(tmp_path, {"01": motion_text([(0, 20, 0, 90, 90, 90)])})
    (motion,) = cmu.load(tmp_path)
    hip = joint(motion, "left_hip")[0] - joint(motion, "pelvis")[0]
    assert hip == pytest.approx(np.array([0, 2, 0]) * UNIT, abs=1e-3)


def test_a_bone_turns_about_its_own_axes(tmp_path):
    # Its axes turned by 90 about z, "rx" turns about the world's y: the upper arm points forward.
    angles = {"lhumerus": (-90, 0, 0)}
    write(tmp_path, {"01": motion_text([(0, 20, 0, 0, 0, 0)], angles)}, axis="0 0 90 XYZ")
    (motion,) = cmu.load(tmp_path)
    arm = joint(motion, "left_elbow")[0] - joint(motion, "left_shoulder")[0]
    assert arm == pytest.approx(np.array([0, -5, 0]) * UNIT, abs=1e-3)


def test_the_root_s_numbers_stand_where_its_order_says(tmp_path):
    plain = motion_text([(1, 20, 3, 10, 20, 30)])
    other = motion_text([(30, 3, 20, 10, 20, 1)])
    write(tmp_path / "a", {"01": plain})
    write(tmp_path / "b", {"01": other}, order="rz tz ty rx ry tx")
    (one,), (same,) = cmu.load(tmp_path / "a"), cmu.load(tmp_path / "b")
    assert torch.equal(one.joints, same.joints)


def test_angles_turn_in_the_order_of_the_axes(tmp_path):
    # ZYX. The left hip (2, 0, 0): z brings it to (0, 2, 0), which y leaves and x brings to (0, 0, 2).
    write(tmp_path / "a", {"01": motion_text([(0, 20, 0, 90, 90, 90)])}, axis="0 0 0 ZYX")
    (motion,) = cmu.load(tmp_path / "a")
    assert joint(motion, "left_hip")[0, 2] == pytest.approx(20 * UNIT, abs=1e-2)  # the root's own
    write(tmp_path / "b", {"01": motion_text([(0, 20, 0, 90, 90, 90)])})
    path = tmp_path / "b" / "07.asf"
    path.write_text(path.read_text().replace("  axis XYZ", "  axis ZYX"))
    (motion,) = cmu.load(tmp_path / "b")
    hip = joint(motion, "left_hip")[0] - joint(motion, "pelvis")[0]
    assert hip == pytest.approx(np.array([0, -2, 0]) * UNIT, abs=1e-3)
    # A bone's: the upper arm (5, 0, 0), z to (0, 5, 0), x to (0, 0, 5); by XYZ it stayed at y.
    angles = {"lhumerus": (90, 0, 90)}
    write(tmp_path / "c", {"01": motion_text([(0, 20, 0, 0, 0, 0)], angles)}, axis="0 0 0 ZYX")
    (motion,) = cmu.load(tmp_path / "c")
    arm = joint(motion, "left_elbow")[0] - joint(motion, "left_shoulder")[0]
    assert arm == pytest.approx(np.array([0, -5, 0]) * UNIT, abs=1e-3)


def test_children_may_be_listed_before_their_parents(tmp_path, shared):
    folder = shared / "cmu_mocap" / "asfamc" / "11"
    text = (folder / "11.asf").read_text()
    head, _, tail = text.partition(":hierarchy")
    lines = [line for line in tail.splitlines() if line.split() not in ([], ["begin"], ["end"])]
    turned = "\n".join([":hierarchy", "  begin", *reversed(lines), "  end", ""])
    (tmp_path / "11.asf").write_text("\ufeff" + head + turned, encoding="utf-8")
    (tmp_path / "11_01.amc").write_bytes((folder / "11_01.amc").read_bytes())
    (one,), (same,) = cmu.load(folder), cmu.load(tmp_path)
    assert torch.equal(one.joints, same.joints)


def test_a_motion_cut_inside_its_last_number_is_noticed(tmp_path):
    text = motion_text([(0, 20, 0, 0, 0, 0)], {"rradius": (-12.34,)})
    for end in range(len(text) - 5, len(text)):
        write(tmp_path, {"01": text[:end]})
        with pytest.raises(ValueError, match=r"07_01\.amc ends in the middle of a line, .*-1"):
            cmu.load(tmp_path)


def test_a_skeleton_in_another_unit_is_named(tmp_path):
    for factor, guess in ((1000, "millimetres where metres"), (0.001, "metres where millimetres")):
        text = skeleton_text()
        for _, _, _, length, _ in BONES:
            text = text.replace(f"length {length}\n", f"length {factor * length:.6f}\n")
        write(tmp_path, {"01": motion_text([(0, 20, 0, 0, 0, 0)])})
        (tmp_path / "07.asf").write_text(text)
        with pytest.raises(ValueError, match=rf"07_01\.amc: a person spans .* in {guess}"):
            cmu.load(tmp_path)


def test_resampling_keeps_the_speed_and_starts_with_the_first_frame(tmp_path):
    write(tmp_path, {"01": motion_text([(0.1 * i, 20, 0, 0, 0, 0) for i in range(25)])})
    (motion,) = cmu.load(tmp_path)
    assert joint(motion, "pelvis")[:, 0] == pytest.approx(0.24 * UNIT * np.arange(11))
    (whole,) = cmu.load(tmp_path, rate=120.0)
    assert len(whole.joints) == 25 and whole.rate == 120


def test_the_pelvis_can_be_put_between_the_hips(shared):
    """Where Human3.6M has it; on these people the root of the files lies well above."""
    folder = shared / "cmu_mocap"
    (motion,) = cmu.load(folder, ["11"])
    (moved,) = cmu.load(folder, ["11"], hips=True)
    middle = (motion.joints[:, 1] + motion.joints[:, 4]) / 2
    assert torch.allclose(moved.joints[:, 0], middle, atol=1e-2)
    assert torch.equal(moved.joints[:, 1:], motion.joints[:, 1:])
    rise = (motion.joints[:, 0] - middle).norm(dim=-1)
    assert 90 < rise.mean() < 130


def test_the_official_archive_s_folders_are_found(tmp_path):
    text = motion_text([(0, 20, 0, 0, 0, 0)])
    for performer in ("07", "08"):
        write(tmp_path / "all_asfamc" / "subjects" / performer, {"01": text}, performer)
    assert tuple(cmu.skeletons(tmp_path)) == ("07", "08")
    assert [m.action for m in cmu.load(tmp_path)] == ["07_01", "08_01"]
    write(tmp_path / "copy", {"01": text})
    with pytest.raises(ValueError, match=r"performer 07 twice: .*copy"):
        cmu.load(tmp_path)


def test_names_of_performers_are_no_patterns(tmp_path):
    write(tmp_path, {"01": motion_text([(0, 20, 0, 0, 0, 0)])}, performer="a[1]*")
    write(tmp_path, {"01": motion_text([(0, 20, 0, 0, 0, 0)])}, performer="a1")
    assert [motion.action for motion in cmu.load(tmp_path, ["a[1]*"])] == ["a[1]*_01"]


def test_a_folder_without_skeletons_or_motions_says_where_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no skeletons.*mocap\.cs\.cmu\.edu"):
        cmu.load(tmp_path)
    write(tmp_path, {})
    with pytest.raises(FileNotFoundError, match=r"no motions 07_\*\.amc"):
        cmu.load(tmp_path)
    with pytest.raises(ValueError, match=r"no performer '09'; there are \['07'\]"):
        cmu.load(tmp_path, ["09"])


def test_a_motion_cut_off_anywhere_is_an_error_that_names_it(tmp_path):
    text = motion_text([(0, 20, 0, 0, 0, 0)] * 2)
    write(tmp_path, {})
    lines = text.splitlines()
    bones = cmu.read_skeleton(tmp_path / "07.asf")
    whole = {len(lines), 3 + (len(lines) - 3) // 2}  # both frames, the first alone
    for count in set(range(len(lines))) - whole:
        (tmp_path / "07_01.amc").write_text("\n".join(lines[:count]))
        with pytest.raises(ValueError, match=r"07_01\.amc"):
            cmu.read_joints(tmp_path / "07_01.amc", bones)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":DEGREES", ":RADIANS", ":RADIANS; only degrees"),
        ("root 0", "root nan", "1 values are not numbers"),
        ("root 0", "root 1e999", "1 values are not numbers"),
        ("root 0", "root zero", "zero"),
        ("rtibia 0.0", "rtibia 0.0 0.0", "bone rtibia does not fit"),
        ("lfemur", "tail", "bone lfemur does not fit"),
        ("root 0 20 0 0 0 0", "root 0 20 0", "root needs 6 numbers"),
    ],
)
def test_a_spoilt_motion_is_named(tmp_path, old, new, message):
    text = motion_text([(0, 20, 0, 0, 0, 0)])
    assert old in text
    write(tmp_path, {"01": text.replace(old, new)})
    with pytest.raises(ValueError, match=rf"07_01\.amc: .*{message}"):
        cmu.load(tmp_path)


def test_frames_out_of_order_are_noticed(tmp_path):
    text = motion_text([(0, 20, 0, 0, 0, 0)] * 3).replace("\n2\n", "\n5\n")
    write(tmp_path, {"01": text})
    with pytest.raises(ValueError, match="one after the other"):
        cmu.load(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":hierarchy", "#", "no section"),
        ("angle deg", "angle rad", "'rad'"),
        ("length 0.45", "length 1.0", "'1.0'"),
        ("0 0 0 XYZ", "0 0 0 XYX", "axis order XYX"),
        ("  axis XYZ", "  axis XXZ", "axis order XXZ"),
        ("order TX", "order TX TX", "root order TX TX TY"),
        ("position 0 0 0", "position 0 1 0", "root position 0 1 0; only 0 0 0"),
        ("orientation 0 0 0", "orientation 0 90 0", "root orientation 0 90 0; only 0 0 0"),
        ("root rhipjoint", "upperback rhipjoint", "does not lead from the root to"),
        ("head", "skull", "has no bones head"),
        ("name rfemur", "name femur", "rfemur"),
        ("length 7", "length long", "long"),
        ("dof rx ry rz", "dof rx tx", "not a whole"),
    ],
)
def test_a_spoilt_skeleton_is_named(tmp_path, old, new, message):
    write(tmp_path, {"01": motion_text([(0, 20, 0, 0, 0, 0)])})
    path = tmp_path / "07.asf"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=rf"07\.asf.*{message}"):
        cmu.load(tmp_path)
