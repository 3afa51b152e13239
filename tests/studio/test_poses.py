"""The studio against published norms, elementary mechanics, and real motion capture."""

from functools import cache

import numpy as np
import pytest
import torch

from posekit.data.poses import Motion, project_motions
from posekit.geometry.skeleton import H36M17, SMPL24
from posekit.studio.motion import anatomy
from posekit.studio.motion.anatomy import LIMITS, body
from posekit.studio.poses import (
    ACTIONS,
    TEST,
    TRAIN,
    VERSION,
    VOLUME,
    Performance,
    cameras,
    load,
    noisy_detector,
    performance,
    place,
)

A = SMPL24.index


@cache
def take(subject: str, action: str, number: int = 1) -> Performance:
    return performance(subject, action, number)


def some() -> list[Performance]:
    """All actions, the first takes of an actress and the second ones of an actor."""
    return [take(s, a, k) for s, k in (("S1", 1), ("S9", 2)) for a in ACTIONS]


def walks() -> list[Performance]:
    return [take(s, "Walking") for s in anatomy.SUBJECTS]


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between vectors."""
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def bend(played: Performance, names: tuple[str, str, str]) -> np.ndarray:
    a, b, c = (played.joints[:, A(name)] for name in names)
    return between(b - a, c - b)


def from_behind(joints: np.ndarray) -> np.ndarray:
    """Human3.6M poses (T, 17, 3) about the middle of the hips: forward, left, up."""
    right, left = joints[:, H36M17.index("right_hip")], joints[:, H36M17.index("left_hip")]
    centred = joints - ((left + right) / 2)[:, None]
    side = (left - right) * (1, 1, 0)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
    front = np.stack([side[:, 1], -side[:, 0], np.zeros(len(side))], axis=1)
    axes = np.stack([front, side, np.tile([0.0, 0, 1], (len(side), 1))], axis=1)
    return np.einsum("tij,tkj->tki", axes, centred)


# ---------------------------------------------------------------- what is promised


def test_a_take_and_its_detections_are_the_same_bytes_alone_or_among_others():
    among = load(frames=6, subjects=["S9"])
    one = performance("S9", "Posing", 2, frames=6).motion()
    alone = project_motions([one], cameras, name="studio", detect=noisy_detector())
    rows = (among.frames["action"] == "Posing") & (among.frames["take"] == 2)
    same = among.where(rows.to_numpy())
    assert torch.equal(alone.pose2d, same.pose2d) and torch.equal(alone.pose3d, same.pose3d)


def test_takes_actors_and_seeds_differ():
    base = performance("S1", "Walking", 1, 50).h36m
    others = [
        performance("S1", "Walking", 2, 50),
        performance("S5", "Walking", 1, 50),
        performance("S1", "Walking", 1, 50, seed=1),
    ]
    assert all(np.abs(from_behind(o.h36m) - from_behind(base)).max() > 50 for o in others)


def test_a_load_has_four_cameras_two_takes_and_fifteen_actions_of_every_subject():
    poses = load(frames=10, every=5, detector="truth", subjects=["S1"])
    assert len(poses) == 15 * 2 * 4 * 2
    assert poses.version == VERSION and poses.skeleton is H36M17
    assert set(TRAIN + TEST) == set(anatomy.SUBJECTS)


@pytest.mark.parametrize(
    "call",
    [
        lambda: performance("S2", "Walking", 1),
        lambda: performance("S1", "Dancing", 1),
        lambda: performance("S1", "Walking", 3),
        lambda: cameras("S2"),
        lambda: load(detector="hourglass"),
    ],
)
def test_what_is_not_in_the_studio_is_refused_with_what_is(call):
    with pytest.raises(ValueError, match="it has"):
        call()


def test_rotations_offsets_and_translation_rebuild_the_joints():
    played = performance("S5", "SittingDown", 1, frames=100)
    turns = [played.rotations[:, 0]]
    places = [played.translation]
    for j in range(1, 24):
        parent = SMPL24.parents[j]
        places.append(places[parent] + turns[parent] @ played.offsets[j])
        turns.append(turns[parent] @ played.rotations[:, j])
    assert np.abs(np.stack(places, 1) - played.joints).max() < 1e-6
    square = played.rotations @ np.swapaxes(played.rotations, -1, -2)
    assert np.abs(square - np.eye(3)).max() < 1e-9
    assert np.linalg.det(played.rotations).min() > 0.999


def test_the_rig_at_rest_is_a_t_in_smpls_axes():
    offsets = take("S5", "Walking").offsets
    assert offsets[A("left_elbow")][0] > 200  # x is left
    assert offsets[A("smpl_spine2")][1] > 50  # y is up
    assert offsets[A("left_foot_ball")][2] > 100  # z is forward


# ---------------------------------------------------------------- bodies


def test_bones_keep_their_length():
    for played in some():
        for child, parent in enumerate(SMPL24.parents[1:], start=1):
            bone = played.joints[:, child] - played.joints[:, parent]
            assert np.ptp(np.linalg.norm(bone, axis=1)) < 1e-3


@pytest.mark.parametrize("subject", anatomy.SUBJECTS)
def test_proportions_are_those_of_drillis_and_contini(subject):
    """Winter (2009), Fig. 4.1; a source the body wasn't built from but for ankle and foot."""
    one = body(subject)
    joints = take(subject, "Walking").joints
    bone = {
        name: np.linalg.norm(joints[0, A(f"left_{name}")] - joints[0, A(f"left_{above}")])
        for name, above in (("knee", "hip"), ("ankle", "knee"), ("wrist", "elbow"))
    }
    assert bone["knee"] / one.stature == pytest.approx(0.245, abs=0.02)
    assert bone["ankle"] / one.stature == pytest.approx(0.246, abs=0.015)
    assert bone["wrist"] / one.stature == pytest.approx(0.146, abs=0.012)
    assert (one.leg + one.ankle_height) / one.stature == pytest.approx(0.530, abs=0.025)


def test_left_is_left():
    """A standing person faces where the toes point; the left hip then lies to the left."""
    for played in walks():
        toes = played.joints[:, A("left_foot_ball")] - played.joints[:, A("left_ankle")]
        hips = played.joints[:, A("left_hip")] - played.joints[:, A("right_hip")]
        flat = np.linalg.norm(toes[:, :2], axis=1) > 80  # not on tiptoe
        assert (np.cross(toes, hips)[flat, 2] > 0).mean() > 0.99


def test_knees_and_elbows_bend_only_forward_and_within_their_range():
    for played in some():
        for side in ("left", "right"):
            knee = bend(played, (f"{side}_hip", f"{side}_knee", f"{side}_ankle"))
            elbow = bend(played, (f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"))
            assert knee.max() <= LIMITS["knee_flexion"][1] + 0.01
            assert elbow.max() <= LIMITS["elbow_flexion"][1] + 0.01
            # the hinge's own axis: x (left) for the knee; positive is forward
            turn = played.rotations[:, A(f"{side}_knee")]
            assert np.arctan2(turn[:, 2, 1], turn[:, 1, 1]).min() > 0


def test_hips_keep_to_their_range_all_but_always():
    low, high = LIMITS["hip_flexion"]
    flexion = []
    for played in some():
        for side in ("left", "right"):
            thigh = -played.rotations[:, A(f"{side}_hip")][:, :, 1]
            flexion.append(np.degrees(np.arctan2(thigh[:, 2], -thigh[:, 1])))
            assert np.degrees(np.arcsin(thigh[:, 0] * (1 if side == "left" else -1))).max() < 65
    flexion = np.concatenate(flexion)
    assert ((flexion < high) & (flexion > low)).mean() > 0.995


# ---------------------------------------------------------------- contact


def test_nobody_sinks_into_the_floor():
    assert min(p.joints[..., 2].min() for p in some()) > 0


def test_planted_feet_stay_within_three_centimetres():
    for played in some():
        for n, side in enumerate(("left", "right")):
            ball = played.joints[:, A(f"{side}_foot_ball")]
            starts = np.flatnonzero(np.diff(played.planted[:, n], prepend=0) > 0)
            ends = np.flatnonzero(np.diff(played.planted[:, n], append=0) < 0) + 1
            for start, end in zip(starts, ends, strict=True):
                drift = np.linalg.norm(np.ptp(ball[start:end, :2], axis=0))
                assert drift < 30, (played.subject, played.action, start)


def test_more_actors_are_people_of_their_own():
    """Statures within 3 (of more people: 3.5) standard deviations of ANSUR II's means, bones and styles all different."""
    assert (len(anatomy.OTHERS), len(anatomy.MORE)) == (20, 40)
    assert len({*anatomy.EVERYBODY}) == 67  # nobody is in two of the three
    bodies = [anatomy.body(name) for name in anatomy.OTHERS + anatomy.MORE]
    women, men = ([body.stature for body in bodies[k::2]] for k in (0, 1))
    for bound, some in ((3, slice(10)), (3.5, slice(None))):  # S12 to S31, and all sixty
        assert all(abs(each - 1629) < bound * 64 for each in women[some])
        assert all(abs(each - 1756) < bound * 69 for each in men[some])
    assert np.mean(men) > np.mean(women) + 60
    assert len({round(body.leg, 3) for body in bodies}) == 60
    one, other = take("S12", "Walking"), take("S31", "Walking")
    assert not np.allclose(one.rotations[:50], other.rotations[:50])
    assert cameras("S12")[0].centre.tolist() != cameras("S31")[0].centre.tolist()
    with pytest.raises(ValueError, match="no actor 'S72' in the studio; .*S11 and S12 to S71"):
        anatomy.body("S72")


def test_somebody_who_stands_has_a_foot_on_the_floor():
    for played in walks() + [take("S9", "Directions"), take("S1", "Waiting")]:
        feet = [A("left_foot_ball"), A("right_foot_ball")]
        assert np.percentile(played.joints[:, feet, 2].min(axis=1), 99) < 45


def test_hips_of_the_seated_are_at_the_height_of_a_chair():
    for subject in anatomy.SUBJECTS:
        hips = take(subject, "Sitting").h36m[:, 0, 2]
        assert 480 < hips.min() and hips.max() < 600


def test_sitting_down_reaches_the_ground():
    low = [take(s, "SittingDown").h36m[:, 0, 2].min() for s in anatomy.SUBJECTS]
    assert np.median(low) < 150


# ---------------------------------------------------------------- movement


def test_walking_has_the_knees_and_the_cadence_of_adults():
    """Winter (1991): the knee bends some 65 degrees in swing; 1.2-1.5 m/s goes with 100-125
    steps a minute."""
    for played in walks():
        knee = bend(played, ("left_hip", "left_knee", "left_ankle"))
        assert 45 < np.percentile(knee, 98) < 85
        assert np.percentile(knee, 5) < 20
        ground = played.h36m[:, 0, :2]
        speed = np.linalg.norm(np.diff(ground, axis=0), axis=1).mean() * 50 / 1000
        strikes = (np.diff(played.planted[:, 0]) > 0).sum()
        steps = 2 * strikes / (len(ground) / 50)
        assert steps == pytest.approx(np.sqrt(speed / 0.39), rel=0.3)  # Sekiya & Nagasaki (1998)


def test_arms_swing_against_the_legs():
    for played in walks():
        pose = from_behind(played.h36m)
        for side in ("left", "right"):
            hand = pose[:, H36M17.index(f"{side}_wrist"), 0]
            foot = pose[:, H36M17.index(f"{side}_ankle"), 0]
            assert np.corrcoef(hand, foot)[0, 1] < -0.4


def test_people_face_every_way():
    ways = []
    for played in some() + walks():
        left, right = (played.h36m[:, H36M17.index(f"{side}_hip")] for side in anatomy.SIDES)
        ways.append(np.arctan2(*(left - right)[:, 1::-1].T))
    share = np.histogram(np.concatenate(ways), bins=12, range=(-np.pi, np.pi))[0]
    assert (share / share.sum()).min() > 0.02


def test_a_phone_is_at_an_ear():
    for subject in anatomy.SUBJECTS:
        h36m = take(subject, "Phoning").h36m
        head = h36m[:, [H36M17.index("neck_nose"), H36M17.index("head")]].mean(axis=1)
        hands = h36m[:, [H36M17.index("left_wrist"), H36M17.index("right_wrist")]]
        apart = np.linalg.norm(hands - head[:, None], axis=-1).min(axis=1)
        assert np.percentile(apart, 90) < 220


@pytest.fixture(scope="module")
def real(shared) -> list[np.ndarray]:
    path = shared / "cmu_mocap" / "h36m17_50hz.npz"
    with np.load(path, allow_pickle=False) as clips:
        return [clips[name].astype(float) * 1000 for name in clips.files]


def test_limbs_move_no_faster_and_no_more_abruptly_than_real_ones(real):
    """The 99.9th percentile of speed and acceleration, against the CMU recordings."""
    for order in (1, 2):
        generated, recorded = (
            np.concatenate([np.linalg.norm(np.diff(x, order, axis=0), axis=-1) for x in clips])
            for clips in ([p.h36m for p in some()], real)
        )
        most, real_most = (np.percentile(x, 99.9, axis=0) for x in (generated, recorded))
        assert (most < 1.2 * real_most).all()
        if order == 1:  # recorded accelerations are half noise
            much, real_much = (np.percentile(x, 90, axis=0) for x in (generated, recorded))
            assert (much > 0.4 * real_much).all()


def test_poses_are_spread_nearly_as_wide_as_real_ones(real):
    """Root-centred, facing forward: the spread of wrists, elbows, knees and ankles."""
    generated = np.concatenate([from_behind(p.h36m[::5]) for p in some()])
    recorded = np.concatenate([from_behind(x[::5]) for x in real])
    for joint in ("wrist", "elbow", "knee", "ankle"):
        for side in ("left", "right"):
            j = H36M17.index(f"{side}_{joint}")
            spread, real_spread = (np.sqrt(x[:, j].var(0).sum()) for x in (generated, recorded))
            assert spread > 0.75 * real_spread


# ---------------------------------------------------------------- cameras and detector


def test_cameras_stand_at_the_corners_and_see_everyone():
    motions = [played.motion() for played in some()]
    poses = project_motions(motions, cameras, name="studio", every=20)
    inside = ((poses.pose2d > 0) & (poses.pose2d < 1000)).all(dim=-1)
    assert inside.float().mean() > 0.998
    for subject in anatomy.SUBJECTS:
        places = torch.stack([camera.centre for camera in cameras(subject)])
        assert ((places[:, 2] > 1290) & (places[:, 2] < 1710)).all()
        assert len({(x > 0, y > 0) for x, y, _ in places.tolist()}) == 4


def test_the_floor_is_down_in_the_picture():
    for camera in cameras("S7"):
        points = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1700.0]])
        feet, head = camera.project(camera.world_to_camera(points))
        assert feet[1] > head[1] + 250


def test_the_noisy_detector_errs_like_a_good_one():
    """4.4 px is what EvoSkeleton's authors report of their HRNet on Human3.6M."""
    motions = [played.motion() for played in some()]
    truth = project_motions(motions, cameras, name="studio", every=3)
    noisy = project_motions(motions, cameras, name="studio", every=3, detect=noisy_detector())
    error = (noisy.pose2d - truth.pose2d).norm(dim=-1)
    assert 4 < error.mean() < 6
    assert error.median() < 0.8 * error.mean()  # heavy tails
    assert error[:, H36M17.index("left_wrist")].mean() > 1.5 * error[:, 0].mean()
    assert 0 < (error > 50).float().mean() < 0.02  # swapped or missed
    assert torch.equal(noisy.pose3d, truth.pose3d)


def test_detection_errors_linger_from_frame_to_frame():
    motion = take("S1", "Waiting").motion()
    camera = cameras("S1")[0]
    pixels = camera.project(camera.world_to_camera(motion.joints))
    error = (noisy_detector()(pixels, motion, camera) - pixels)[:, 0, 0].numpy()
    assert np.corrcoef(error[1:], error[:-1])[0, 1] > 0.6


# ---------------------------------------------------------------- foreign motions


def test_a_motion_that_strays_is_cut_and_brought_back():
    joints = torch.zeros(500, 17, 3)
    joints[..., 0] = torch.linspace(0, 10_000, 500)[:, None] + 50_000
    joints[:, :, 2] = 500 + 40 * torch.arange(17.0)
    pieces = place([Motion("S9", "Walking", 1, H36M17, joints)])
    assert len(pieces) == 3 and sum(len(p.joints) for p in pieces) == 500
    assert max(p.joints[..., :2].abs().max() for p in pieces) <= VOLUME + 1


def test_real_motions_can_be_filmed_once_they_are_placed(real):
    motions = [
        Motion("S9", "Walking", 1, H36M17, torch.from_numpy(clip + [9000, 0, 0]).float())
        for clip in real
    ]
    placed = place(motions)
    poses = project_motions(placed, cameras, name="cmu")
    inside = ((poses.pose2d > -100) & (poses.pose2d < 1100)).all(dim=-1)
    assert inside.float().mean() > 0.97
    before, after = motions[0].joints[0], placed[0].joints[0]
    assert torch.allclose(before - before[:1], after - after[:1], atol=1e-2)
