"""Joint orders against the index lists that other code bases use, and against real poses."""

import numpy as np
import pytest
import torch

from posekit.geometry import skeleton as skeleton_module
from posekit.geometry.skeleton import (
    COCO17,
    H36M17,
    H36M17_LEFT_FIRST,
    H36M32,
    LSP14,
    MOON18,
    MOON_POINTS,
    MPI_INF_3DHP17,
    MPI_INF_3DHP28,
    MPII16,
    MUCO21,
    SMPL24,
    SPIN24,
    SPIN_3DHP_POINTS,
    Skeleton,
    convert,
)

ALL = [value for value in vars(skeleton_module).values() if isinstance(value, Skeleton)]
EVERY = pytest.mark.parametrize("skeleton", ALL, ids=lambda s: s.name)

# SPIN, constants.py and datasets/preprocess
H36M_TO_J17 = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10, 0, 7, 9]
J24_TO_J17 = [*range(13), 18, 14, 16, 17]
J24_FLIP = [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, *range(12, 20), 21, 20, 23, 22]
SMPL_FLIP = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]
J17_IN_J24 = [14, 3, 4, 5, 2, 1, 0, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6]
# 3d-pose-baseline, src/data_utils.py: the joints of 32 that move
H36M_USED = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
# The MPI-INF-3DHP release's "relevant" joints
RELEVANT = [7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6]

J17 = Skeleton(
    "SPIN-17",
    LSP14.joints[:12] + ("neck", "head", "pelvis", "spine", "neck_nose"),
    (1, 2, 14, 14, 3, 4, 7, 8, 12, 12, 9, 10, 15, 16, -1, 14, 12),
)


def taken(source: Skeleton, target: Skeleton, **rules) -> list[int]:
    """Which source joint `convert` puts in each place of the target, -1 where it puts none."""
    pose, missing = convert(torch.arange(float(len(source)))[:, None], source, target, **rules)
    assert missing == tuple(target.joints[i] for i in torch.where(pose[:, 0].isnan())[0])
    return pose[:, 0].nan_to_num(-1).int().tolist()


@EVERY
def test_mirroring_twice_changes_nothing_and_keeps_the_bones(skeleton):
    mirror = skeleton.mirror
    assert [mirror[twin] for twin in mirror] == list(range(len(skeleton)))
    assert mirror[skeleton.root] == skeleton.root
    assert {(mirror[a], mirror[b]) for a, b in skeleton.bones} == set(skeleton.bones)


@EVERY
def test_the_bones_are_a_tree_over_uniquely_named_joints(skeleton):
    assert len(set(skeleton.joints)) == len(skeleton) == len(skeleton.parents)
    assert skeleton.parents.count(-1) == 1
    reached = {skeleton.root}
    for _ in skeleton.joints:
        reached |= {child for parent, child in skeleton.bones if parent in reached}
    assert reached == set(range(len(skeleton)))


def test_the_number_of_joints_is_in_the_name():
    names = [skeleton.name.split(",")[0] for skeleton in ALL]
    assert [int(name.split("-")[-1]) for name in names] == [len(s) for s in ALL]
    assert len({s.name for s in ALL}) == len(ALL) == 12


def test_an_unknown_joint_is_refused_by_naming_the_known_ones():
    with pytest.raises(ValueError, match="no joint 'neck'; it has pelvis, right_hip"):
        H36M17.index("neck")


def test_a_pose_of_another_skeleton_is_refused():
    with pytest.raises(ValueError, match="Human3.6M-32 has 32 joints, the pose 17"):
        convert(torch.zeros(17, 3), H36M32, H36M17)


def test_human36m_is_the_moving_part_of_the_32_joints_with_known_parents():
    assert taken(H36M32, H36M17) == H36M_USED
    # VideoPose3D, common/h36m_dataset.py and the skeleton after its joints are removed
    assert H36M32.parents[:16] == (-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14)
    assert H36M32.parents[16:] == (12, 16, 17, 18, 19, 20, 19, 22, 12, 24, 25, 26, 27, 28, 27, 30)
    assert H36M17.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)


def test_smpls_tree_and_sides_are_the_models():
    # The model's kintree_table, and where SPIN's JOINT_MAP finds the joints it takes from it
    tree = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
    assert SMPL24.parents == tree
    ours = dict(zip(LSP14.joints, taken(SMPL24, LSP14), strict=True))
    right = {"ankle": 8, "knee": 5, "wrist": 21, "elbow": 19, "shoulder": 17}
    left = {"ankle": 7, "knee": 4, "wrist": 20, "elbow": 18, "shoulder": 16}
    assert {joint: ours["right_" + joint] for joint in right} == right
    assert {joint: ours["left_" + joint] for joint in left} == left


def test_mpi_inf_3dhps_tree_is_the_releases():
    one_based = [3, 1, 4, 5, 5, 2, 6, 7, 6, 9, 10, 11, 12, 6, 14, 15, 16, 17, 5, 19, 20, 21, 22]
    one_based += [5, 24, 25, 26, 27]  # mpii_get_joint_set.m, the pelvis its own parent
    ours = [child if parent < 0 else parent for child, parent in enumerate(MPI_INF_3DHP28.parents)]
    assert [parent + 1 for parent in ours] == one_based


def test_mirrors_are_the_published_flips():
    assert list(SPIN24.mirror) == J24_FLIP
    assert list(SMPL24.mirror) == SMPL_FLIP
    pairs = [(1, 4), (2, 5), (3, 6), (14, 11), (15, 12), (16, 13)]  # Moon et al., Human36M.py
    assert all(MOON18.mirror[a] == b for a, b in pairs)
    assert [i for i, twin in enumerate(MOON18.mirror) if i == twin] == [0, 7, 8, 9, 10, 17]
    pairs = [(2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (17, 18), (19, 20)]  # MuCo.py
    assert all(MUCO21.mirror[a] == b for a, b in pairs)


def test_spins_evaluation_joints_come_from_its_left_first_regressor():
    assert taken(H36M17_LEFT_FIRST, J17) == H36M_TO_J17
    assert taken(SPIN24, J17) == J24_TO_J17
    # The trap: with the usual order, the same list would exchange the legs.
    swapped = [H36M17.joints[i] for i in H36M_TO_J17[:6]]
    assert swapped == [LSP14.joints[LSP14.mirror[i]] for i in range(6)]


def test_spins_fourteenth_joint_is_human36ms_head_not_lsps_head_top():
    assert SPIN24.joints[13] == LSP14.joints[13] == "head_top"
    assert SPIN24.joints[J24_TO_J17[13]] == "head"
    assert convert(torch.zeros(14, 2), LSP14, J17).missing[0] == "head"


def test_spin_reads_the_data_sets_as_the_names_do():
    filled = taken(COCO17, SPIN24, derive=False)
    coco = [19, 20, 21, 22, 23, 9, 8, 10, 7, 11, 6, 3, 2, 4, 1, 5, 0]
    assert [filled.index(i) for i in range(17)] == coco
    filled = taken(MPII16, SPIN24)
    assert [filled.index(i) for i in range(16)] == [*range(6), 14, 15, 12, 13, *range(6, 12)]
    assert taken(LSP14, SPIN24, derive=False) == [*range(14)] + [-1] * 10


def test_spins_human36m_differs_from_the_names_only_in_copies_of_a_joint():
    used = [11, 6, 7, 8, 1, 2, 3, 12, 24, 14, 15, 17, 18, 19, 25, 26, 27]
    ours = taken(H36M32, SPIN24, derive=False)
    pairs = {(spin, ours[place]) for spin, place in zip(used, J17_IN_J24, strict=True)}
    assert {(spin, own) for spin, own in pairs if spin != own} == {(11, 0), (24, 13)}
    assert (H36M32.joints[11], H36M32.joints[24]) == ("spine_root", "right_arm_root")


def test_spin_reads_mpi_inf_3dhp_with_its_own_stand_ins():
    used = [4, 18, 19, 20, 23, 24, 25, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16]
    ours = taken(MPI_INF_3DHP28, SPIN24, derive=False, stand_ins=SPIN_3DHP_POINTS)
    assert [ours[place] for place in J17_IN_J24] == used
    used = [14, 11, 12, 13, 8, 9, 10, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]  # the test set's 17
    ours = taken(MPI_INF_3DHP17, SPIN24, derive=False, stand_ins=SPIN_3DHP_POINTS)
    assert [ours[place] for place in J17_IN_J24] == used


def test_the_relevant_joints_of_mpi_inf_3dhp_are_the_first_of_muco():
    assert taken(MPI_INF_3DHP28, MPI_INF_3DHP17) == RELEVANT
    assert MUCO21.joints[:17] == MPI_INF_3DHP17.joints
    # and MuCo's all 21 are its "extended" ones
    assert taken(MPI_INF_3DHP28, MUCO21) == RELEVANT + [17, 12, 27, 22]


def test_moon_joins_human36m_mpii_and_coco_as_the_stand_ins_do():
    rules = {"derive": False, "stand_ins": MOON_POINTS}
    mpii = [6, 2, 1, 0, 3, 4, 5, -1, 8, -1, 9, 13, 14, 15, 12, 11, 10, 7]
    assert taken(MPII16, MOON18, **rules) == mpii
    back = [3, 2, 1, 4, 5, 6, 0, 17, 8, 10, 16, 15, 14, 11, 12, 13]
    assert taken(MOON18, MPII16, **rules) == back
    coco = [-1, 12, 14, 16, 11, 13, 15, -1, -1, 0, -1, 5, 7, 9, 6, 8, 10, -1]
    assert taken(COCO17, MOON18, **rules) == coco


def test_moon_fills_muco_from_mpii_by_label_which_differs_in_the_head():
    labels = ["Head_top", "Thorax"] + [""] * 12 + ["Pelvis", "Spine", "Head", "", "", "", ""]
    moon = {"Thorax": 7, "Pelvis": 6, "Head": 9}  # MPII.py calls MPII's head top "Head"
    ours = taken(MPII16, MUCO21, derive=False, stand_ins=MOON_POINTS)
    limbs = [12, 11, 10, 13, 14, 15, 2, 1, 0, 3, 4, 5]
    assert ours[2:14] == limbs and ours[17:] == [-1] * 4
    pairs = zip(labels, ours, strict=True)
    differ = [label for label, own in pairs if label and own != moon.get(label, -1)]
    assert differ == ["Head_top", "Head"]


def test_martinez_reads_mpiis_upper_neck_as_human36ms_thorax():
    ours = taken(MPII16, H36M17, derive=False)
    assert ours[H36M17.index("thorax")] == 8
    assert ours[H36M17.index("head")] == -1  # Martinez et al. take MPII's head top, we say missing


def test_moons_thorax_and_cocos_pelvis_are_derived_and_the_rest_is_named_missing():
    poses = torch.randn(5, 2, 17, 3, generator=torch.Generator().manual_seed(0))
    moon = convert(poses, H36M17, MOON18)
    assert moon.missing == ()
    assert torch.equal(moon.pose[..., :17, :], poses)
    assert torch.allclose(moon.pose[..., 17, :], (poses[..., 11, :] + poses[..., 14, :]) / 2)
    human, missing = convert(poses, COCO17, H36M17)
    assert torch.allclose(human[..., 0, :], (poses[..., 11, :] + poses[..., 12, :]) / 2)
    assert missing == ("spine", "thorax", "neck_nose", "head")
    assert human[..., [7, 8, 9, 10], :].isnan().all()
    assert convert(poses, COCO17, H36M17, derive=False).missing == ("pelvis", *missing)


def test_converting_leaves_the_given_pose_alone():
    pose = torch.ones(17, 2)
    convert(pose, COCO17, MPII16).pose.zero_()
    assert torch.equal(pose, torch.ones(17, 2))


def test_real_poses_have_rigid_bones_of_mirrored_lengths(shared):
    walk = np.load(shared / "cmu_mocap" / "h36m17_50hz.npz", allow_pickle=False)["02_01"]
    lengths = {(a, b): np.linalg.norm(walk[:, a] - walk[:, b], axis=-1) for a, b in H36M17.bones}
    long = [i for i, joint in enumerate(H36M17.joints) if joint.endswith(("knee", "ankle"))]
    long += [i for i, joint in enumerate(H36M17.joints) if joint.endswith(("elbow", "wrist"))]
    limbs = {bone: length for bone, length in lengths.items() if bone[1] in long}
    assert len(limbs) == 8
    for (a, b), length in limbs.items():
        twin = lengths[H36M17.mirror[a], H36M17.mirror[b]]
        assert length.std() < 0.01 * length.mean()
        assert abs(length.mean() / twin.mean() - 1) < 0.06
    height = dict(zip(H36M17.joints, walk.mean(axis=0)[:, 2], strict=True))
    upwards = ["left_ankle", "left_knee", "left_hip", "spine", "thorax", "neck_nose", "head"]
    assert sorted(upwards, key=height.get) == upwards


def test_spins_regressor_is_left_leg_first(shared):
    folder = shared / "smpl_aux"
    joints = np.load(folder / "J_regressor_h36m.npy", allow_pickle=False)
    extra = np.load(folder / "J_regressor_extra.npy", allow_pickle=False)
    half = joints.shape[1] // 2
    # Which half of SMPL's vertices is the left one is told by the eyes and ears among them.
    vertex = dict(zip(["nose", "right_eye", "left_eye", "right_ear", "left_ear"], extra.argmax(1)))
    assert all((v < half) == name.startswith("left") for name, v in vertex.items() if "_" in name)
    sided = [name for name in H36M17_LEFT_FIRST.joints if "_" in name and name != "neck_nose"]
    assert len(sided) == 12
    for name in sided:
        weights = joints[H36M17_LEFT_FIRST.index(name)]
        assert (weights[:half].sum() > weights[half:].sum()) == name.startswith("left")
    # SPIN's JOINT_MAP calls rows 9, 11, 12 of the extra regressor Pelvis, Spine, Jaw.
    for row, name in ((9, "pelvis"), (11, "spine"), (12, "neck_nose")):
        assert np.array_equal(extra[row], joints[H36M17_LEFT_FIRST.index(name)])
    # Its neck and head are other vertices than the ones it evaluates, hence names of their own.
    assert not np.array_equal(extra[7], joints[H36M17_LEFT_FIRST.index("thorax")])
    assert not np.array_equal(extra[13], joints[H36M17_LEFT_FIRST.index("head")])
