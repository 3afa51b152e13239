"""CMU's motions as BVH, against the Acclaim files of the same motions and against closed forms."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_cmu import joint

from posekit.data import cmu
from posekit.data.check import check_cmu

pytest.importorskip("pybvh")

# Nodes of the conversion: name, parent, the Acclaim bone that turns with it, the bone that it is at
# the end of ("": where its parent is).
TREE = [
    ("Hips", "", "root", ""),
    *[
        row
        for side, letter in (("Left", "l"), ("Right", "r"))
        for row in (
            (f"{side[0]}HipJoint", "Hips", "", ""),
            (f"{side}UpLeg", f"{side[0]}HipJoint", f"{letter}femur", f"{letter}hipjoint"),
            (f"{side}Leg", f"{side}UpLeg", f"{letter}tibia", f"{letter}femur"),
            (f"{side}Foot", f"{side}Leg", "", f"{letter}tibia"),
        )
    ],
    ("LowerBack", "Hips", "lowerback", ""),
    ("Spine", "LowerBack", "upperback", "lowerback"),
    ("Spine1", "Spine", "thorax", "upperback"),
    ("Neck", "Spine1", "lowerneck", ""),
    ("Neck1", "Neck", "upperneck", "lowerneck"),
    ("Head", "Neck1", "head", "upperneck"),
    *[
        row
        for side, letter in (("Left", "l"), ("Right", "r"))
        for row in (
            (f"{side}Shoulder", "Spine1", f"{letter}clavicle", ""),
            (f"{side}Arm", f"{side}Shoulder", f"{letter}humerus", f"{letter}clavicle"),
            (f"{side}ForeArm", f"{side}Arm", f"{letter}radius", f"{letter}humerus"),
            (f"{side}Hand", f"{side}ForeArm", "", f"{letter}radius"),
        )
    ],
]
ENDS = {"Head": "head", "LeftHand": "", "RightHand": "", "LeftFoot": "", "RightFoot": ""}


def nodes(name, offsets, depth=0):
    """The lines of a node and of all that hangs on it."""
    pad = "\t" * depth
    numbers = "{:.5f} {:.5f} {:.5f}".format(*offsets[name])
    kind, moves = ("ROOT", "6 Xposition Yposition Zposition") if not depth else ("JOINT", "3")
    lines = [f"{pad}{kind} {name}", pad + "{", f"{pad}\tOFFSET {numbers}"]
    lines += [f"{pad}\tCHANNELS {moves} Zrotation Yrotation Xrotation"]
    for child, parent, *_ in TREE:
        if parent == name:
            lines += nodes(child, offsets, depth + 1)
    if name in ENDS:
        end = "{:.5f} {:.5f} {:.5f}".format(*offsets[f"end of {name}"])
        lines += [f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\tOFFSET {end}", pad + "\t}"]
    return [*lines, pad + "}"]


def text(offsets, frames, seconds=1 / 120):
    head = ["HIERARCHY", *nodes("Hips", offsets), "MOTION", f"Frames: {len(frames)}"]
    rows = [" ".join(f"{value:.4f}" for value in frame) for frame in frames]
    return "\n".join([*head, f"Frame Time: {seconds:.7f}", *rows, ""])


def plain(**change):
    """Offsets of a person whose bones have the length 2, and 6 sideways at the shoulders."""
    offsets = {name: (0.0, 2.0 if at else 0.0, 0.0) for name, _, _, at in TREE}
    offsets |= {f"end of {name}": (0.0, 2.0, 0.0) for name in ENDS}
    return offsets | {"LeftArm": (6.0, 0.0, 0.0), "RightArm": (-6.0, 0.0, 0.0)} | change


def rest(count=3, root=(1.0, 20.0, 3.0)):
    return [[*root, *np.zeros(3 * len(TREE))] for _ in range(count)]


def write(folder, content, name="07_01"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.bvh").write_text(content)
    return folder


def converted(skeleton, file):
    """An Acclaim motion as the conversion writes it: a T-pose first, the thorax lost."""
    bones, tracks = cmu.read_skeleton(skeleton), cmu._read_tracks(file)
    offsets, frames = {}, [tracks["root"][:, :3]]
    for name, _, bone, at in TREE:
        offsets[name] = bones[at].offset / cmu.UNIT if at else np.zeros(3)
        turn = np.tile(np.eye(3), (len(frames[0]), 1, 1))
        if bone == "root":
            turn = cmu._turn(tracks["root"][:, 3:], "XYZ")
        elif bone and bones[bone].angles:
            angles = np.zeros((len(turn), 3))
            angles[:, list(bones[bone].angles)] = tracks[bone]
            turn = bones[bone].axes @ cmu._turn(angles, "XYZ") @ bones[bone].axes.T
        frames.append(Rotation.from_matrix(turn).as_euler("ZYX", degrees=True))
    for name, at in ENDS.items():
        offsets[f"end of {name}"] = bones[at].offset / cmu.UNIT if at else np.zeros(3)
    whole = np.concatenate(frames, axis=1)
    return text(offsets, np.concatenate([np.full((1, whole.shape[1]), 9.0), whole]))


def test_it_is_the_motion_of_the_acclaim_files(shared, tmp_path):
    """The lost thorax is put back to within 2 mm, as on cgspeed's own files of these motions."""
    folder = shared / "cmu_mocap"
    for performer, action, most in (
        ("01", "01_08", 2.0),
        ("02", "02_01", 1.6),
        ("03", "03_02", 0.7),
    ):
        file = folder / "asfamc" / performer / f"{action}.amc"
        write(tmp_path / performer, converted(file.parent / f"{performer}.asf", file), action)
        (ours,) = cmu.load(tmp_path / performer)
        (true,) = (m for m in cmu.load(folder, [performer]) if m.action == action)
        assert (ours.subject, ours.action, ours.rate) == (performer, action, 50)
        gap = np.linalg.norm(ours.joints.numpy() - true.joints.numpy(), axis=-1)
        assert gap[:, :8].max() < 0.05  # pelvis, legs and spine: what is below the thorax
        assert 0.3 < gap[:, 8:].min() and gap.max() < most


def test_the_rest_pose_follows_from_the_offsets(tmp_path):
    write(tmp_path, text(plain(), rest()))
    (motion,) = cmu.load(tmp_path)
    # y is up in the file: (x, y, z) becomes (x, -z, y). The spine is 2 + 2, the thorax 2 again.
    assert joint(motion, "pelvis")[0] == pytest.approx(np.array([1, -3, 20]) * cmu.UNIT)
    assert joint(motion, "spine")[0] == pytest.approx(np.array([1, -3, 24]) * cmu.UNIT)
    assert joint(motion, "thorax")[0] == pytest.approx(np.array([1, -3, 28]) * cmu.UNIT)
    assert joint(motion, "head")[0] == pytest.approx(np.array([1, -3, 32]) * cmu.UNIT)
    assert joint(motion, "left_shoulder")[0] == pytest.approx(np.array([7, -3, 26]) * cmu.UNIT)


def test_a_turn_of_the_chest_turns_what_hangs_on_the_thorax(tmp_path):
    frames = rest()
    column = 3 + 3 * [name for name, *_ in TREE].index("Spine1")
    for frame in frames:
        frame[column] = 90.0  # about z: what was up points to -x
    write(tmp_path, text(plain(), frames))
    (motion,) = cmu.load(tmp_path)
    assert joint(motion, "spine")[0] == pytest.approx(np.array([1, -3, 24]) * cmu.UNIT)
    assert joint(motion, "thorax")[0] == pytest.approx(np.array([-3, -3, 24]) * cmu.UNIT, abs=1e-3)


def test_the_t_pose_and_frames_before_the_recording_are_left_out(tmp_path):
    """The database's 07_12 and 09_10 begin with frames at rest, at the origin."""
    frames = [*rest(3, root=(0.0, 0.0, 0.0)), *rest(5)]
    write(tmp_path, text(plain(), frames))
    (motion,) = cmu.load(tmp_path, rate=120.0)
    assert len(motion.joints) == 5
    assert (joint(motion, "pelvis")[:, 2] == np.float32(20 * cmu.UNIT)).all()


def test_the_rate_is_the_file_s(tmp_path):
    write(tmp_path, text(plain(), rest(31), seconds=1 / 60))
    (motion,) = cmu.load(tmp_path, rate=20.0)
    assert len(motion.joints) == 10  # frames 0, 3, ..., 27 of the 30 behind the T-pose


def test_acclaim_files_are_preferred(shared, tmp_path):
    """They have the thorax; performers are found among both, and checked."""
    (tmp_path / "a").symlink_to(shared / "cmu_mocap" / "asfamc" / "11", target_is_directory=True)
    write(tmp_path / "b", text(plain(), rest()), "11_01")
    write(tmp_path / "b", text(plain(), rest()), "07_01")
    write(tmp_path / "b", text(plain(), rest()), "07_02")
    assert [m.action for m in cmu.load(tmp_path)] == ["07_01", "07_02", "11_01"]
    (eleven,) = cmu.load(tmp_path, ["11"])
    assert len(eleven.joints) > 200
    rows = [row for row in check_cmu(tmp_path) if row.state != "note"]
    assert [(row.what, row.state) for row in rows] == [
        ("performer 07", "ok"),
        ("performer 11", "ok"),
    ]
    assert rows[0].detail == "2 motions, 4 frames"
    write(tmp_path / "c", text(plain(), rest()), "07_02")
    with pytest.raises(ValueError, match="motion 07_02 twice"):
        cmu.load(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("JOINT Neck1", "JOINT Nape", "no Neck1: it is another conversion"),
        ("Frames: 3", "Frames: 4", "declares 4 frames but file contains 3"),
        ("1.0000 20.0000", "nan 20.0000", "2 frames are not numbers"),
        ("1.0000 20.0000", "one 20.0000", "one"),
        ("CHANNELS 3 Z", "CHANNELS 4 Z", "declares 4 channels"),
        ("ROOT Hips", "ROUTE Hips", "unexpected|ROOT"),
    ],
)
def test_a_spoilt_file_is_named(tmp_path, old, new, message):
    content = text(plain(), rest())
    assert old in content
    write(tmp_path, content.replace(old, new))
    with pytest.raises(ValueError, match=rf"07_01\.bvh.*({message})"):
        cmu.load(tmp_path)


def test_another_conversion_or_a_cut_off_file_is_refused(tmp_path):
    write(tmp_path, text(plain(Neck=(0.0, 1.0, 0.0)), rest()))
    with pytest.raises(ValueError, match=r"Neck is not where cgspeed's conversion has it"):
        cmu.load(tmp_path)
    write(tmp_path, text(plain(), rest(1)))
    with pytest.raises(ValueError, match="only the T-pose"):
        cmu.load(tmp_path)
    write(tmp_path, text(plain(), rest())[:-3])
    with pytest.raises(ValueError, match="ends in the middle of a line"):
        cmu.load(tmp_path)
