"""`posekit maintain bake-body`: write the free body, SMPL's form of people made by Anny.

Anny (NAVER, Apache-2.0; it carries MakeHuman's mesh, rig and targets, CC0) makes people from words
such as "muscle 0.7". Here adults are drawn, put into SMPL's T pose and described by their mean and
ten principal components, as SMPL describes the people it was made from (Loper et al., 2015):

- Men and women in equal numbers, statures as in ANSUR II (Gordon et al., 2014), young to old.
- MakeHuman's 31 bones become SMPL's 24 by adding up the weights of those that SMPL lacks.
- Limb joints are MakeHuman's. Pelvis, spine, collars and the base of the fingers, whose places are
  a matter of convention, go where the studio's skeletons have them (`studio.motion.anatomy`), scaled
  to the trunk, and the trunk's weights cross over at the new joints of the spine.
- The coarse mesh is regressed on the fine one's coefficients: the same person at both resolutions.
- Regressors are fitted to bodies in the studio's poses (`bake_regressors`).

Baking twice on a machine gives the same bytes. Dimensions: N people, V vertices, S shape components.
Metres, x left, y up, z forward, the pelvis at the origin.
"""

import io
from pathlib import Path

import anny
import numpy as np
import torch

from posekit.cli.bake_regressors import RIG, STUDIO_MARKERS, mirror, regressors
from posekit.geometry import body_files
from posekit.geometry.body import load
from posekit.geometry.skeleton import H36M17, SMPL24, SPIN24
from posekit.studio.motion.anatomy import OUTWARD, J, body
from posekit.studio.motion.rotations import rotate
from posekit.studio.poses import SMPL_AXES
from posekit.system import write_whole

FOLDER = Path(body_files.__file__).parent / "bodies"
PEOPLE = 600
SHAPES = 10
TOPOLOGIES = {"free_full": "anny", "free": "notoes_collapse10pc"}
STATURES = (1.756, 0.069), (1.629, 0.064)  # m, mean and SD of men and women, ANSUR II
TO_SMPL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # Anny: x left, y back, z up
BLEND = 0.09  # m: MakeHuman's vertebrae pass 10 to 90% of the weight on in 2 x 6 cm
LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist", "hand_base")

# SMPL's joints, by the bones of MakeHuman's rig "cmu_mb" that turn into them; the first is the head
_BONES = (
    "Hips LHipJoint RHipJoint,LeftUpLeg,RightUpLeg,LowerBack,LeftLeg,RightLeg,Spine,LeftFoot,"
    "RightFoot,Spine1,LeftToeBase,RightToeBase,Neck Neck1,LeftShoulder,RightShoulder,Head,LeftArm,"
    "RightArm,LeftForeArm,RightForeArm,LeftHand LThumb LeftFingerBase,"
    "RightHand RThumb RightFingerBase,LeftHandFinger1,RightHandFinger1"
)
BONES = [words.split() for words in _BONES.split(",")]


def main(folder: Path = FOLDER) -> None:
    """Write both resolutions of the body to `folder` and print their errors."""
    torch.set_num_threads(1)
    models = {
        name: anny.Anny(rig="cmu_mb", topology=topology) for name, topology in TOPOLOGIES.items()
    }
    full = models["free_full"]
    people = _people(full, np.random.Generator(np.random.Philox(0)))
    vertices, joints = _t_pose(full, people, _weights(full))
    scores = _scores(vertices, full.get_triangular_faces().numpy())
    points = _points(_linear(vertices, scores), _linear(joints, scores), full)
    terms = np.concatenate([np.ones((PEOPLE, 1)), scores], axis=1)
    for name, model in models.items():
        weights = _weights(model)
        if name != "free_full":
            vertices, _ = _t_pose(model, people, weights)
        shapes = _linear(vertices, scores)
        path = folder / f"{name}.npz"
        weights = _spread_along_spine(weights, shapes[0], joints.mean(axis=0))
        arrays = _arrays(shapes, weights, model.get_triangular_faces().numpy(), points)
        _save(path, arrays)
        arrays |= regressors(load(path), points)
        _save(path, arrays)
        rebuilt = np.einsum("ns,svc->nvc", terms, shapes)
        error = 1e3 * np.linalg.norm(rebuilt - vertices, axis=2)
        lost = np.einsum("ns,svc->nvc", terms, _stored_shapes(arrays)) - rebuilt
        print(
            f"{path.name}: {len(weights)} vertices, {path.stat().st_size / 1e3:.0f} kB; mm from "
            f"the people drawn: mean {error.mean():.2f}, 99% {np.quantile(error, 0.99):.2f}; lost "
            f"by rounding: at most {1e3 * np.linalg.norm(lost, axis=2).max():.3f}"
        )


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_whole(path, lambda part: part.write_bytes(buffer.getvalue()))


def _people(model: anny.Anny, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Anny's phenotypes of N adults, with the "height" that gives ANSUR II's statures."""
    sex = np.arange(PEOPLE) % 2
    draw = {
        "gender": np.abs(sex - 0.3 * rng.uniform(size=PEOPLE)),  # 0 a man, 1 a woman
        "age": rng.uniform(2 / 3, 1.0, PEOPLE),  # 2/3 young, 1 old
        "muscle": rng.normal(0.5, 0.18, PEOPLE).clip(0, 1),
        "weight": rng.normal(0.5, 0.18, PEOPLE).clip(0, 1),
        "proportions": rng.normal(0.5, 0.18, PEOPLE).clip(0, 1),
    }
    people = {key: torch.from_numpy(value) for key, value in draw.items()}
    heights = ({"height": torch.full((PEOPLE,), height).double()} for height in (0.2, 0.6))
    low, high = (np.ptp(_rest(model, people | h)[0][..., 1], axis=1) for h in heights)
    mean, deviation = np.array(STATURES)[sex].T
    stature = mean + deviation * rng.normal(size=PEOPLE).clip(-3, 3)
    height = 0.2 + 0.4 * (stature - low) / (high - low)  # stature is linear in it
    return people | {"height": torch.from_numpy(height)}


def _rest(model: anny.Anny, people: dict[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, V, 3) and heads of 31 bones (N, 31, 3) in Anny's rest pose."""
    vertices, heads = [], []
    for start in range(0, PEOPLE, 50):
        some = {key: value[start : start + 50] for key, value in people.items()}
        rest = model(phenotype_kwargs=some)
        vertices.append(rest["rest_vertices"].numpy() @ TO_SMPL.T)
        heads.append(rest["rest_bone_heads"].numpy() @ TO_SMPL.T)
    return np.concatenate(vertices), np.concatenate(heads)


def _weights(model: anny.Anny) -> np.ndarray:
    """Skinning weights (V, 24), summed to SMPL's joints and made symmetric."""
    raw = np.zeros((len(model.template_vertices), len(model.bone_labels)))
    rows = np.arange(len(raw))[:, None]
    np.add.at(raw, (rows, model.vertex_bone_indices.numpy()), model.vertex_bone_weights.numpy())
    labels = list(model.bone_labels)
    merged = np.stack([raw[:, [labels.index(b) for b in bones]].sum(1) for bones in BONES], axis=1)
    merged = (merged + merged[mirror(model.template_vertices.numpy())][:, SMPL24.mirror]) / 2
    return merged / merged.sum(axis=1, keepdims=True)


def _spread_along_spine(
    weights: np.ndarray, vertices: np.ndarray, joints: np.ndarray
) -> np.ndarray:
    """Weights (V, 24) whose trunk passes from joint to joint of the spine within `BLEND` of it."""
    spine = [J["pelvis"], J["smpl_spine1"], J["smpl_spine2"], J["smpl_spine3"]]
    above = ((vertices[:, None, 1] - joints[spine, 1]) / (2 * BLEND) + 0.5).clip(0, 1)
    above = above**2 * (3 - 2 * above)
    above[:, 0] = 1.0
    shares = above - np.pad(above[:, 1:], ((0, 0), (0, 1)))
    spread = weights.copy()
    spread[:, spine] = shares * weights[:, spine].sum(axis=1, keepdims=True)
    return spread


def _t_pose(model, people, weights) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, V, 3) and joints (N, 24, 3) in SMPL's T pose, the pelvis at the origin."""
    vertices, heads = _rest(model, people)
    labels = list(model.bone_labels)
    heads = heads[:, [labels.index(bones[0]) for bones in BONES]]
    turns = _turns(heads)
    placed = heads.copy()
    for joint, parent in enumerate(SMPL24.parents):
        if parent >= 0:
            bone = heads[:, joint] - heads[:, parent]
            placed[:, joint] = placed[:, parent] + rotate(turns[:, parent], bone)
    moved = np.zeros_like(vertices)
    for joint in range(len(J)):
        near = weights[:, joint] > 0
        turned = (vertices[:, near] - heads[:, None, joint]) @ turns[:, joint].transpose(0, 2, 1)
        moved[:, near] += weights[near, joint, None] * (turned + placed[:, None, joint])
    joints = _conventional(placed)
    return moved - joints[:, :1], joints - joints[:, :1]


def _turns(heads: np.ndarray) -> np.ndarray:
    """Rotations (N, 24, 3, 3) of the bones from Anny's rest pose to the T pose.

    Legs turn by the least angle, feet stay as they stand. Arms go out sideways with the elbow's
    hinge upright, so that it bends the forearm forward and the palm looks down, as SMPL's does.
    """
    turns = np.broadcast_to(np.eye(3), (*heads.shape[:2], 3, 3)).copy()
    down = np.array([0.0, -1.0, 0.0])
    for side, out in OUTWARD.items():
        at = {part: heads[:, J[f"{side}_{part}"]] for part in LIMBS}
        turns[:, J[f"{side}_hip"]] = _least(at["knee"] - at["hip"], down)
        turns[:, J[f"{side}_knee"]] = _least(at["ankle"] - at["knee"], down)
        upper, fore = at["elbow"] - at["shoulder"], at["wrist"] - at["elbow"]
        hinge = np.cross(upper, fore)
        away, upright = np.array([out, 0.0, 0.0]), np.array([0.0, -out, 0.0])
        for part, bone in (("shoulder", upper), ("elbow", fore)):
            goal = _frame(away[None], upright[None])
            turns[:, J[f"{side}_{part}"]] = goal @ _frame(bone, hinge).transpose(0, 2, 1)
        forearm = turns[:, J[f"{side}_elbow"]]
        hand = _least(rotate(forearm, at["hand_base"] - at["wrist"]), away) @ forearm
        turns[:, J[f"{side}_wrist"]] = turns[:, J[f"{side}_hand_base"]] = hand
    return turns


def _conventional(placed: np.ndarray) -> np.ndarray:
    """Joints (N, 24, 3) with pelvis, spine, collars and hands as in the studio's skeletons."""
    reference, up = _reference()
    joints = placed.copy()
    hips = placed[:, [J["left_hip"], J["right_hip"]]].mean(axis=1)
    neck = placed[:, J["smpl_neck"]]
    middle = reference[J["left_hip"]] * (0, 1, 1)
    size = ((neck - hips)[:, 1] / (up - middle[1]))[:, None]
    pelvis = joints[:, 0] = hips - size * middle
    for name in ("smpl_spine1", "smpl_spine2", "smpl_spine3"):
        # On the studio's curve, sheared so that it ends in the body's own neck
        share = reference[J[name], 1] / up
        sheared = reference[J[name]] - share * reference[J["smpl_neck"]]
        joints[:, J[name]] = pelvis + share * (neck - pelvis) + size * sheared
    for side in ("left", "right"):
        shoulder = placed[:, J[f"{side}_shoulder"]]
        bone = reference[J[f"{side}_shoulder"]] - reference[J[f"{side}_collar"]]
        share = bone[0] / reference[J[f"{side}_shoulder"], 0]
        back = np.stack([share * shoulder[:, 0], *(size * bone[1:]).T], axis=1)
        joints[:, J[f"{side}_collar"]] = shoulder - back
        hand = reference[J[f"{side}_hand_base"]] - reference[J[f"{side}_wrist"]]
        wrist = placed[:, J[f"{side}_wrist"]]
        finger = placed[:, J[f"{side}_hand_base"]] - wrist
        share = np.mean(size * hand[0]) / np.mean(finger[:, 0])
        joints[:, J[f"{side}_hand_base"]] = wrist + share * finger
    return joints


def _reference() -> tuple[np.ndarray, float]:
    """Joints (24, 3) of a studio actor about the pelvis, SMPL's axes, and the neck's height."""
    offsets = body("S9").offsets @ SMPL_AXES
    joints = offsets.copy()
    for joint, parent in enumerate(SMPL24.parents):
        if parent >= 0:
            joints[joint] += joints[parent]
    return joints, float(joints[J["smpl_neck"], 1])


def _scores(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Coefficients (N, S) of unit variance on the principal components, vertices weighted by area."""
    mean = vertices.mean(axis=0)
    corners = mean[faces]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    share = np.zeros(len(mean))
    np.add.at(share, faces, area[:, None])
    spread = ((vertices - mean) * np.sqrt(share)[:, None]).reshape(len(vertices), -1)
    _, axes = np.linalg.eigh(spread @ spread.T)
    scores = axes[:, ::-1][:, :SHAPES] * np.sqrt(len(vertices))
    scores -= scores.mean(axis=0)
    growth = scores.T @ (spread @ (mean * np.sqrt(share)[:, None]).ravel())
    return scores * np.sign(growth)  # positive: larger


def _linear(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean and components (1 + S, V, 3) of points (N, V, 3)."""
    mean = values.mean(axis=0)
    components = np.tensordot(scores, values - mean, axes=(0, 0)) / len(scores)
    return np.concatenate([mean[None], components])


def _points(shapes, joints, model) -> dict[str, tuple[np.ndarray, int | None]]:
    """The regressors' points by name: mean and components (1 + S, 3), and the bone that moves it.

    The bone is None for the middle of two other points.
    """
    _, up = _reference()
    actor = body("S9")
    size = (joints[:, J["smpl_neck"], 1] - joints[:, 0, 1]) / up
    points = {name: (joints[:, j], j) for name, j in J.items()}
    points[RIG[0]] = points["pelvis"]
    for name in STUDIO_MARKERS:
        marker = H36M17.index(name)
        bone = actor.markers[marker]
        place = actor.marker_offsets[marker] @ SMPL_AXES
        points[name] = (joints[:, bone] + size[:, None] * place, bone)
    points["pelvis"] = ((joints[:, J["left_hip"]] + joints[:, J["right_hip"]]) / 2, 0)
    shoulders = (joints[:, J["left_shoulder"]] + joints[:, J["right_shoulder"]]) / 2
    points["mid_shoulders"] = (shoulders, None)
    points["neck"] = points["smpl_neck"]
    crown = shapes[:, np.argmax(shapes[0, :, 1])] * (0, 1, 1)
    points["head_top"] = (crown, J["smpl_head"])
    face = anny.KeypointsRegressor.coco(model)
    for label, row in zip(face.labels, face.regression_weights.numpy(), strict=True):
        if label in SPIN24.joints[19:]:
            points[label] = (np.einsum("v,svc->sc", row, shapes), J["smpl_head"])
    return points


def _arrays(shapes, weights, faces, points) -> dict[str, np.ndarray]:
    """The body in SMPL's keys and small types; the joint regressor is provisional, of least norm."""
    arrays = {
        "v_template": (np.round(shapes[0] * 2**17) / 2**17).astype(np.float32),  # 8 um
        "shapedirs": np.moveaxis(shapes[1:], 0, 2).astype(np.float16),
        "weights": _rounded(weights),
        "f": faces.astype(np.uint16),
        "kintree_table": np.array([SMPL24.parents, range(24)], dtype=np.int32),
    }
    goals = np.stack([points[name][0] for name in RIG], axis=1)  # (1 + S, 24, 3)
    rows = _stored_shapes(arrays).transpose(0, 2, 1).reshape(-1, len(weights))
    rows = np.concatenate([np.ones((1, len(weights))), rows])
    wanted = np.concatenate([np.ones((1, 24)), goals.transpose(0, 2, 1).reshape(-1, 24)])
    return arrays | {"J_regressor": np.linalg.lstsq(rows, wanted, rcond=None)[0].T}


def _stored_shapes(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Mean and components (1 + S, V, 3) after rounding."""
    directions = np.moveaxis(arrays["shapedirs"].astype(np.float64), 2, 0)
    return np.concatenate([arrays["v_template"][None].astype(np.float64), directions])


def _rounded(weights: np.ndarray) -> np.ndarray:
    """Weights (V, 24) in steps of 1/16384 that still add up to one."""
    steps = np.round(weights * 2**14)
    rows = np.arange(len(steps))
    steps[rows, steps.argmax(axis=1)] += 2**14 - steps.sum(axis=1)
    return (steps / 2**14).astype(np.float32)


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed axes (N, 3, 3) as columns: along `first`, towards `second`, across."""
    a = first / np.linalg.norm(first, axis=1, keepdims=True)
    b = second - a * (a * second).sum(axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    return np.stack([a, b, np.cross(a, b)], axis=2)


def _least(bone: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Rotations (N, 3, 3) of least angle that turn `bone` into the direction `goal`."""
    a = bone / np.linalg.norm(bone, axis=1, keepdims=True)
    axis = np.cross(a, goal)
    cross = np.zeros((len(a), 3, 3))
    cross[:, [2, 0, 1], [1, 2, 0]], cross[:, [1, 2, 0], [2, 0, 1]] = axis, -axis
    return np.eye(3) + cross + cross @ cross / (1 + a @ goal)[:, None, None]
