"""Bodies: skinning against a plain definition, the studio's joints, files that are broken."""

import itertools
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import roma
import torch
from scipy.spatial import cKDTree

from posekit.geometry import body_files
from posekit.geometry.body import EXTRA, Body, free, load
from posekit.geometry.skeleton import (
    COCO17,
    H36M17,
    H36M17_LEFT_FIRST,
    LSP14,
    MPI_INF_3DHP28,
    MPII16,
    SMPL24,
    SPIN24,
)
from posekit.studio import poses
from posekit.studio.motion import anatomy
from posekit.studio.motion.anatomy import body as actor

J = SMPL24.index
FULL = (False, True)


def arrays(vertices=40, shapes=10, seed=0, **changes) -> dict[str, np.ndarray]:
    """A made-up body in SMPL's format and types: every number random, a posedirs of 207."""
    dice = np.random.default_rng(seed)
    weights = dice.uniform(size=(vertices, 24)) ** 8
    regressor = dice.uniform(size=(24, vertices))
    made = {
        "v_template": dice.uniform(-0.8, 0.8, (vertices, 3)),
        "shapedirs": 0.05 * dice.normal(size=(vertices, 3, shapes)),
        "posedirs": 0.02 * dice.normal(size=(vertices, 3, 207)),
        "J_regressor": regressor / regressor.sum(axis=1, keepdims=True),
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "f": dice.integers(0, vertices, (60, 3)).astype(np.uint32),
        "kintree_table": np.array([[2**32 - 1, *SMPL24.parents[1:]], range(24)]),
    }
    made |= changes
    return {key: value for key, value in made.items() if value is not None}


@pytest.fixture
def made(tmp_path) -> Body:
    """The made-up body, loaded from its file."""
    np.savez(tmp_path / "made.npz", **arrays())
    return load(tmp_path / "made.npz")


def turns(count: int, seed=0) -> torch.Tensor:
    dice = torch.Generator().manual_seed(seed)
    return roma.rotvec_to_rotmat(torch.randn(count, 24, 3, generator=dice))


def noise(*shape: int, seed=1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Litres inside a closed mesh of mm, positive if its faces look outward."""
    a, b, c = vertices.astype(np.float64)[faces].transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum()) / 6e6


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = vertices.astype(np.float64)[faces].transpose(1, 0, 2)
    return np.cross(b - a, c - a)


def twins(model: Body) -> tuple[np.ndarray, np.ndarray]:
    """For each vertex the nearest one in the mirror, and how far it is, mm."""
    place = model.template.numpy()
    return cKDTree(place).query(place * (-1, 1, 1))


def define(file: dict, rotations: np.ndarray, shape: np.ndarray, translation: np.ndarray):
    """SMPL's equations, one vertex at a time and in double precision: vertices and joints, mm."""
    rest = file["v_template"] + file["shapedirs"] @ shape
    joints = file["J_regressor"] @ rest
    feature = np.concatenate([(turn - np.eye(3)).ravel() for turn in rotations[1:]])
    corrected = rest + (file["posedirs"] @ feature if "posedirs" in file else 0)
    frames = []
    for j, parent in enumerate(SMPL24.parents):
        step = np.eye(4)
        step[:3, :3] = rotations[j]
        step[:3, 3] = joints[j] - joints[parent] if j else translation / 1000
        frames.append(frames[parent] @ step if j else step)
    vertices = []
    for place, weights in zip(corrected, file["weights"], strict=True):
        moved = np.zeros(3)
        for frame, joint, weight in zip(frames, joints, weights, strict=True):
            moved += weight * (frame[:3, :3] @ (place - joint) + frame[:3, 3])
        vertices.append(moved)
    return 1000 * np.array(vertices), 1000 * np.array([frame[:3, 3] for frame in frames])


@pytest.mark.parametrize("posed", [True, False])
def test_skinning_is_smpls_definition(tmp_path, posed):
    file = arrays() if posed else arrays(posedirs=None)
    np.savez(tmp_path / "made.npz", **file)
    model = load(tmp_path / "made.npz")
    rotations, shape, place = turns(3), noise(3, 10), 1000 * noise(3, 3, seed=2)
    result = model(rotations, shape, place)
    for k in range(3):
        inputs = (x[k].double().numpy() for x in (rotations, shape, place))
        vertices, joints = define(file, *inputs)
        assert np.abs(result.vertices[k].numpy() - vertices).max() < 0.01
        assert np.abs(result.joints[k].numpy() - joints).max() < 0.01
    rest = model.rest(shape).joints
    moved = result.transforms @ torch.nn.functional.pad(rest, (0, 1), value=1)[..., None]
    assert torch.allclose(moved[..., :3, 0], result.joints, atol=0.01)


def test_the_bundled_body_is_posed_by_the_definition():
    model = free()
    with np.load(Path(body_files.__file__).parent / "bodies/free.npz") as npz:
        file = {key: npz[key].astype(np.float64) for key in npz.files}
    rotations, shape, place = turns(1), noise(1, 10), torch.tensor([[3000.0, -2000, 900]])
    vertices, joints = define(file, *(x[0].double().numpy() for x in (rotations, shape, place)))
    result = model(rotations, shape, place)
    assert np.abs(result.vertices[0].numpy() - vertices).max() < 0.01
    assert np.abs(result.joints[0].numpy() - joints).max() < 0.01


def test_gradients(tmp_path):
    np.savez(tmp_path / "made.npz", **arrays(vertices=6, shapes=3))
    model = load(tmp_path / "made.npz").to(torch.float64)

    def posed(vectors, shape, place):
        result = model(roma.rotvec_to_rotmat(vectors), shape, place)
        return result.vertices, result.joints

    inputs = (0.5 * noise(2, 24, 3), noise(2, 3), noise(2, 3))
    inputs = tuple(x.double().requires_grad_() for x in inputs)
    assert torch.autograd.gradcheck(posed, inputs, atol=1e-4)


@pytest.mark.parametrize("full", FULL)
def test_a_body_does_not_depend_on_its_batch(full):
    model = free(full)
    rotations, shape, place = turns(9), noise(9, 10), noise(9, 3)
    together = model(rotations, shape, place)
    joints = model.joints(together.vertices, H36M17)
    for some in (slice(0, 1), slice(4, 5), slice(2, 9), slice(5, 7)):
        apart = model(rotations[some], shape[some], place[some])
        for name in ("vertices", "joints", "transforms"):
            assert torch.equal(getattr(apart, name), getattr(together, name)[some])
        assert torch.equal(model.joints(apart.vertices, H36M17), joints[some])
        assert torch.equal(model.rest(shape[some]).joints, model.rest(shape).joints[some])


def test_pose_directions_do_not_depend_on_the_batch(made):
    rotations, shape, place = turns(8), noise(8, 10), noise(8, 3)
    together = made(rotations, shape, place).vertices
    for k in range(8):
        one = slice(k, k + 1)
        assert torch.equal(made(rotations[one], shape[one], place[one]).vertices, together[one])


def test_one_rest_body_for_many_poses():
    model, rotations = free(), turns(4)
    place = torch.zeros(4, 3)
    many = model.pose(model.rest(torch.zeros(1, 10)), rotations, place)
    assert torch.equal(many.vertices, model(rotations, torch.zeros(4, 10), place).vertices)


def test_missing_shape_coefficients_are_zero():
    model = free()
    few, all_ten = noise(1, 3), torch.zeros(1, 10)
    all_ten[:, :3] = few
    assert torch.allclose(model.rest(few).vertices, model.rest(all_ten).vertices, atol=1e-3)


@pytest.mark.parametrize("full", FULL)
def test_rests_in_smpls_t_pose(full):
    """Every shape: root at the origin, limbs along the axes, face and feet forward."""
    model = free(full)
    rest = model.rest(noise(50, 10))
    assert rest.joints[:, 0].abs().max() < 0.05
    for side, out in (("left", 1), ("right", -1)):
        for start, end, along in (
            ("hip", "knee", (0, -1, 0)),
            ("knee", "ankle", (0, -1, 0)),
            ("shoulder", "elbow", (out, 0, 0)),
            ("elbow", "wrist", (out, 0, 0)),
            ("wrist", "hand_base", (out, 0, 0)),
        ):
            bone = rest.joints[:, J(f"{side}_{end}")] - rest.joints[:, J(f"{side}_{start}")]
            aside = torch.linalg.cross(bone, torch.tensor(along).float().expand_as(bone))
            assert (bone @ torch.tensor(along).float() > 60).all()
            assert aside.norm(dim=1).max() < 0.2  # mm
        toes = rest.joints[:, J(f"{side}_foot_ball")] - rest.joints[:, J(f"{side}_ankle")]
        assert (toes[:, 2] > 80).all()
    face = model.joints(rest.vertices, SPIN24)
    assert (face[:, SPIN24.index("nose"), 2] > face[:, SPIN24.index("left_ear"), 2] + 60).all()
    assert (face[:, SPIN24.index("left_ear"), 0] > face[:, SPIN24.index("right_ear"), 0]).all()
    assert twins(model)[0].max() < 0.1


def test_shapes_are_as_probable_as_those_of_people():
    """Statures of standard normal coefficients: ANSUR II's of men and women together."""
    height = np.ptp(free().rest(noise(2000, 10)).vertices[..., 1].numpy(), axis=1)
    men, women = (1756, 69), (1629, 64)
    mean = (men[0] + women[0]) / 2
    deviation = np.sqrt((men[1] ** 2 + women[1] ** 2) / 2 + ((men[0] - women[0]) / 2) ** 2)
    assert abs(height.mean() - mean) < 15
    assert abs(height.std() - deviation) < 8


def test_both_resolutions_are_the_same_person():
    coarse, fine = free(), free(full=True)
    shape = noise(8, 10)
    a, b = coarse.rest(shape), fine.rest(shape)
    assert (a.joints - b.joints).norm(dim=-1).max() < 0.2
    distance = np.stack(
        [cKDTree(f).query(c)[0] for c, f in zip(a.vertices, b.vertices, strict=True)]
    )
    assert distance.mean() < 6 and distance.max() < 40  # the fine mesh has edges of 10 to 50 mm
    assert 1200 < len(coarse.template) < 1300 and 13000 < len(fine.template) < 14000


def test_the_bundled_files_are_small_and_keep_all_weights():
    folder = Path(body_files.__file__).parent / "bodies"
    assert sum(path.stat().st_size for path in folder.glob("*.npz")) < 1_200_000
    for full in FULL:
        model = free(full)
        assert (model.weights > 0).sum(dim=1).max() > 4
        assert (model.weights >= 0).all()
        assert torch.equal(
            model.weights.double().sum(dim=1), torch.ones(len(model.weights)).double()
        )
        assert volume(model.template.numpy(), model.faces.numpy()) > 50  # faces look outward


@pytest.mark.parametrize("full", FULL)
def test_parts_are_clean(full):
    """Connected, symmetric, and where the limbs are."""
    model = free(full)
    faces, place = model.faces.numpy(), model.template.numpy()
    eyes_and_tongue = 3 if full else 0  # separate pieces of the mesh
    parts = model.parts.numpy()
    assert sorted(np.unique(parts)) == [1, 2, 3, 4, 5, 6]
    assert sum(regions(faces[parts == part]) for part in range(1, 7)) == 6 + eyes_and_tongue
    middle = place[faces].mean(axis=1)
    for region, name in {
        "left arm": middle[:, 0] > 350,
        "right arm": middle[:, 0] < -350,
        "head": middle[:, 1] > 600,
        "left leg": (middle[:, 1] < -250) & (middle[:, 0] > 0),
        "right leg": (middle[:, 1] < -250) & (middle[:, 0] < 0),
        "torso": np.abs(middle[:, 1] - 200) < 80,
    }.items():
        assert (parts[name] == body_files.PARTS.index(region) + 1).all()
    _, twin = twins(model)
    of = {tuple(sorted(face)): k for k, face in enumerate(faces.tolist())}
    swap = np.array([0, 2, 1, 3, 5, 4, 6])
    for k, face in enumerate(twin[faces].tolist()):
        assert swap[model.parts[of[tuple(sorted(face))]]] == model.parts[k]


def regions(faces: np.ndarray) -> int:
    """In how many pieces, joined by edges, these faces lie."""
    owner, root = {}, list(range(len(faces)))

    def find(k):
        while root[k] != k:
            k = root[k]
        return k

    for k, face in enumerate(faces.tolist()):
        for edge in itertools.combinations(sorted(face), 2):
            root[find(k)] = find(owner.setdefault(edge, k))
    return len({find(k) for k in range(len(faces))})


def test_a_lone_face_takes_its_neighbours_part():
    """A strip of head with one triangle's corners nearer to a hand."""
    faces = np.array([[k, k + 1, k + 2] for k in range(20)])
    weights = np.zeros((22, 24))
    weights[:, J("smpl_head")] = 1.0
    weights[:6] = 0
    weights[:6, J("left_wrist")] = 1.0
    clean = body_files.label(faces, weights)
    arm, head = (body_files.PARTS.index(part) + 1 for part in ("left arm", "head"))
    assert (clean == np.where(np.arange(20) < 5, arm, head)).all()
    weights[12:15] = 0
    weights[12:15, J("left_wrist")] = 1.0
    assert (body_files.label(faces, weights) == clean).all()


@pytest.mark.parametrize("full", FULL)
@pytest.mark.parametrize("subject", anatomy.SUBJECTS)
def test_tailored_to_an_actor(subject, full):
    model, build = free(full), actor(subject)
    offsets = torch.from_numpy(build.offsets @ poses.SMPL_AXES).float()
    shape, rest = model.tailor(offsets)
    parents = list(SMPL24.parents[1:])
    assert torch.allclose(rest.joints[0, 1:] - rest.joints[0, parents], offsets[1:], atol=1e-3)
    before = model.rest(shape[None])
    own = before.joints[0, 1:] - before.joints[0, parents]
    residual = (own - offsets[1:]).norm(dim=1)
    assert residual.mean() < 12 and residual.max() < 25  # mm
    assert shape.norm() < 4
    old, new, faces = before.vertices[0].numpy(), rest.vertices[0].numpy(), model.faces.numpy()
    a, b = normals(old, faces), normals(new, faces)
    sizes = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    assert ((a * b).sum(axis=1) / sizes[0] / sizes[1]).min() > 0.7  # no triangle turns over
    assert 0.4 < (sizes[1] / sizes[0]).min() and (sizes[1] / sizes[0]).max() < 2.2
    assert abs(volume(new, faces) / volume(old, faces) - 1) < 0.05
    assert abs(np.ptp(new[:, 1]) - build.stature) < 20


def test_tailoring_to_the_own_skeleton_changes_nothing():
    model = free()
    truth = model.rest(torch.tensor([[1.5, *[0.0] * 9]]))
    parents = torch.tensor([0, *SMPL24.parents[1:]])
    _, rest = model.tailor(truth.joints[0] - truth.joints[0, parents])
    assert (rest.joints - truth.joints).norm(dim=-1).max() < 0.05
    assert (rest.vertices - truth.vertices).norm(dim=-1).mean() < 6


@pytest.mark.parametrize("full", FULL)
def test_plays_the_studio(full):
    """Joints are the performance's, Human3.6M's regressed points near its markers. The regressors
    were fitted to first takes; this is a second one."""
    model = free(full)
    errors = []
    for subject, action in (("S9", "Walking"), ("S1", "SittingDown"), ("S8", "Purchases")):
        take = poses.performance(subject, action, 2, frames=120)
        _, rest = model.tailor(torch.from_numpy(take.offsets).float())
        some = slice(None, None, 8)
        rotations = torch.from_numpy(take.rotations[some]).float()
        posed = model.pose(rest, rotations, torch.from_numpy(take.translation[some]).float())
        joints = torch.from_numpy(take.joints[some]).float()
        assert (posed.joints - joints).norm(dim=-1).max() < 0.01
        markers = torch.from_numpy(take.h36m[some]).float()
        errors.append((model.joints(posed.vertices, H36M17) - markers).norm(dim=-1))
    errors = torch.cat(errors)
    assert errors.mean() < 2 and errors.mean(dim=0).max() < 6  # mm


def test_other_skeletons_follow_by_name():
    model = free()
    vertices = model(turns(2), noise(2, 10), noise(2, 3)).vertices
    spin = model.joints(vertices, SPIN24)
    for skeleton in (COCO17, LSP14, MPII16):
        assert torch.equal(
            model.joints(vertices, skeleton), spin[:, [SPIN24.index(j) for j in skeleton.joints]]
        )
    left_first = model.joints(vertices, H36M17_LEFT_FIRST)
    assert torch.equal(left_first[:, 1], model.joints(vertices, H36M17)[:, 4])
    with pytest.raises(ValueError, match="no regressor for MPI-INF-3DHP-28.*spine4"):
        model.joints(vertices, MPI_INF_3DHP28)


def test_face_points_lie_on_the_face():
    """At rest: nose tip foremost, eyes above and beside it, ears behind, crown on top."""
    for full in FULL:
        model = free(full)
        at = dict(zip(SPIN24.joints, model.joints(model.template[None], SPIN24)[0], strict=True))
        head = model.template[model.weights[:, J("smpl_head")] > 0.9]
        assert abs(at["nose"][2] - head[:, 2].max()) < 15
        assert 20 < at["left_eye"][0] == pytest.approx(-at["right_eye"][0].item(), abs=0.5)
        assert at["left_eye"][1] > at["nose"][1] + 15
        assert at["left_ear"][0] > at["left_eye"][0] + 25
        assert abs(at["head_top"][1] - head[:, 1].max()) < 4
        assert at["head_top"][1] > at["head"][1] > at["neck_nose"][1] > at["neck"][1]


def test_users_regressors(tmp_path, shared):
    """SPIN's and GraphCMR's own files on a body of SMPL's size."""
    np.savez(tmp_path / "smpl.npz", **arrays(vertices=6890))
    aux = shared / "smpl_aux"
    model = load(
        tmp_path / "smpl.npz",
        {H36M17_LEFT_FIRST: aux / "J_regressor_h36m.npy"},
        extra=aux / "J_regressor_extra.npy",
    )
    vertices = 1000 * noise(1, 6890, 3)
    rows = np.load(aux / "J_regressor_h36m.npy")
    expected = rows @ vertices[0].double().numpy()
    assert np.abs(model.joints(vertices, H36M17_LEFT_FIRST)[0].numpy() - expected).max() < 0.01
    rows = np.concatenate(
        [arrays(vertices=6890)["J_regressor"], np.load(aux / "J_regressor_extra.npy")]
    )
    # GraphCMR's order of its 24 joints among SMPL's 24 and the 14 (config.py, JOINTS_IDX)
    order = [8, 5, 29, 30, 4, 7, 21, 19, 17, 16, 18, 20, *range(31, 38), 24, 26, 25, 28, 27]
    expected = rows[order] @ vertices[0].double().numpy()
    assert np.abs(model.joints(vertices, SPIN24)[0].numpy() - expected).max() < 0.01
    assert len(EXTRA) == 14
    with pytest.raises(
        ValueError, match=r"J_regressor_extra.npy: .*\(14, 6890\), not \(17, 6890\)"
    ):
        load(tmp_path / "smpl.npz", {H36M17: aux / "J_regressor_extra.npy"})
    with pytest.raises(FileNotFoundError, match="no regressor .*absent.npy"):
        load(tmp_path / "smpl.npz", extra=tmp_path / "absent.npy")


def test_notations_become_matrices_as_the_docstring_says():
    rotations = turns(2)
    six = rotations[..., :2]
    assert torch.allclose(
        roma.special_gramschmidt(six.reshape(2, -1).view(-1, 24, 3, 2)), rotations, atol=1e-5
    )
    assert torch.allclose(
        roma.special_gramschmidt(six.mT.reshape(2, -1).view(-1, 24, 2, 3).mT), rotations, atol=1e-5
    )


def test_moves_to_another_type():
    model = free().to(torch.float64)
    assert model.weights.dtype == model.regressors[H36M17.name].dtype == torch.float64
    assert model.faces.dtype == torch.int64 and model.parts.dtype == torch.uint8
    posed = model(turns(1).double(), torch.zeros(1, 10).double(), torch.zeros(1, 3).double())
    assert posed.vertices.dtype == torch.float64
    single = free()(turns(1), torch.zeros(1, 10), torch.zeros(1, 3))
    assert (posed.vertices - single.vertices).abs().max() < 0.01


@pytest.mark.parametrize("what", ["rotations", "shape", "translation"])
def test_refuses_nan(what):
    inputs = {"rotations": turns(2), "shape": noise(2, 10), "translation": noise(2, 3)}
    inputs[what].view(-1)[5] = float("nan")
    with pytest.raises(ValueError, match=f"{what} must be finite"):
        free()(**inputs)


def test_refuses_what_does_not_belong_together():
    model = free()
    with pytest.raises(ValueError, match="free has 10 shapes, not 11"):
        model.rest(noise(1, 11))
    with pytest.raises(ValueError, match="2 rest bodies for 3 poses"):
        model.pose(model.rest(noise(2, 10)), turns(3), noise(3, 3))
    with pytest.raises(ValueError, match="free has 1229 vertices, the rest body 13718"):
        model.pose(free(full=True).rest(noise(1, 10)), turns(1), noise(1, 3))
    with pytest.raises(ValueError, match="offsets must be finite"):
        model.tailor(torch.full((24, 3), float("nan")))


@pytest.fixture
def unchecked():
    """Shapes as people give them, without the tests' own checks of signatures."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


ROTVEC, SIX = r"roma\.rotvec_to_rotmat", r"roma\.special_gramschmidt"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"rotations": torch.zeros(2, 72)},
            rf"\(B, 24, 3, 3\), but is of shape \(2, 72\): .*{ROTVEC}",
        ),
        ({"rotations": torch.zeros(2, 24, 3)}, ROTVEC),
        ({"rotations": torch.zeros(2, 144)}, SIX),
        ({"rotations": np.zeros((2, 72))}, r"a ndarray: .*torch\.from_numpy"),
        ({"rotations": torch.eye(3).expand(2, 52, 3, 3)}, "SMPL-H's and SMPL-X's the first 22"),
        ({"rotations": torch.eye(3).expand(24, 3, 3)}, r"rotations\[None\]"),
        ({"rotations": torch.eye(3).double().expand(2, 24, 3, 3)}, r"float64 .*body\.weights"),
        ({"shape": torch.zeros(10)}, r"shape must be .*\(10,\): .*shape\[None\]"),
        ({"shape": torch.zeros(2, 10).double()}, "shape must be torch.float32.*float64"),
        ({"translation": torch.zeros(3)}, r"translation must be a tensor \(2, 3\).*\(3,\)"),
    ],
)
def test_other_shapes_and_types_get_the_remedy(unchecked, change, says):
    inputs = {"rotations": turns(2), "shape": noise(2, 10), "translation": noise(2, 3)} | change
    with pytest.raises(ValueError, match=says):
        free()(**inputs)


@pytest.mark.parametrize(
    "spoil",
    [lambda m: 0 * m, lambda m: 1.05 * m, lambda m: -m, lambda m: m * m.new_tensor([1, 1, 0.5])],
)
def test_matrices_that_do_not_turn_are_refused(spoil):
    rotations = turns(2)
    rotations[1, 7] = spoil(rotations[1, 7])
    with pytest.raises(ValueError, match=r"rotations\[1, 7\] is no rotation.*special_gramschmidt"):
        free()(rotations, noise(2, 10), noise(2, 3))


def test_rounded_rotations_pass_with_their_gradients():
    rounded = (turns(20).mul(100).round() / 100).requires_grad_()
    posed = free()(rounded, torch.zeros(20, 10), torch.zeros(20, 3))
    posed.joints.square().sum().backward()
    assert rounded.grad.isfinite().all() and (rounded.grad[:, 0] != 0).any()


def test_no_poses_give_no_bodies(tmp_path):
    np.savez(tmp_path / "made.npz", **arrays())
    for model in (free(), load(tmp_path / "made.npz")):
        for people in (0, 1):
            rest = model.rest(torch.zeros(people, 10))
            posed = model.pose(rest, torch.zeros(0, 24, 3, 3), torch.zeros(0, 3))
            assert posed.vertices.shape == (0, len(model.template), 3)
            assert posed.joints.shape == (0, 24, 3) and posed.transforms.shape == (0, 24, 4, 4)
            assert model.joints(posed.vertices, SMPL24).shape == (0, 24, 3)


def spoiled(key: str, value=float("nan")) -> np.ndarray:
    array = arrays()[key].copy()
    array.flat[7] = value
    return array


BROKEN = {
    "J_regressor has shape (23, 40), not (24, 40)": {"J_regressor": arrays()["J_regressor"][:23]},
    "weights has shape (39, 24), not (40, 24)": {"weights": arrays()["weights"][:39]},
    "shapedirs has shape (40, 3), not (40, 3, any)": {"shapedirs": np.zeros((40, 3))},
    "posedirs has shape (40, 3, 90), not (40, 3, 207)": {"posedirs": np.zeros((40, 3, 90))},
    "weights is missing": {"weights": None},
    "v_template has entries that are not finite": {"v_template": spoiled("v_template")},
    "posedirs has entries that are not finite": {"posedirs": spoiled("posedirs", np.inf)},
    "f must name vertices 0 to 39": {"f": spoiled("f", 40)},
    "f has shape (60, 4), not (any, 3)": {"f": np.zeros((60, 4), dtype=int)},
    "weights has rows that do not add up to one": {"weights": spoiled("weights", 3.0)},
    "v_template is": {"v_template": 1000 * arrays()["v_template"]},
    "kintree_table is not SMPL's tree": {"kintree_table": np.zeros((2, 24), dtype=int)},
    "v_template holds <U1, not floats": {"v_template": np.full((40, 3), "a")},
    "regressor_mine has shape (17, 39)": {"regressor_mine": np.full((17, 39), 1 / 39)},
}


@pytest.mark.parametrize("message", BROKEN)
def test_broken_files_are_named(tmp_path, message):
    path = tmp_path / "broken.npz"
    np.savez(path, **arrays(**BROKEN[message]))
    with pytest.raises(ValueError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)
    assert "posekit data convert-smpl" in str(error.value)


def test_files_that_are_no_bodies(tmp_path):
    with pytest.raises(FileNotFoundError, match="no body file .*absent.npz"):
        load(tmp_path / "absent.npz")
    np.savez(tmp_path / "objects.npz", **arrays(f=np.array([[1], None], dtype=object)))
    with pytest.raises(ValueError, match="objects.npz.*f: .*allow_pickle"):
        load(tmp_path / "objects.npz")
    (tmp_path / "words.npz").write_text("not a zip")
    np.save(tmp_path / "single.npy", np.zeros(3))
    np.savez(tmp_path / "whole.npz", **arrays())
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:5000])
    for name in ("words.npz", "single.npy", "cut.npz"):
        with pytest.raises(ValueError, match=f"{name} is not a readable body file"):
            load(tmp_path / name)
