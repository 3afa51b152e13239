"""Pictures with labels: what is drawn, whose it is, and that the labels say the same."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.geometry import body
from posekit.geometry.camera import HUMAN36M_INTRINSICS, Intrinsics
from posekit.geometry.skeleton import COCO17, H36M17, LSP14, MPI_INF_3DHP17, MPII16, SMPL24, SPIN24
from posekit.studio import poses
from posekit.studio.motion import anatomy
from posekit.studio.scene import cast, labels, wardrobe
from posekit.studio.scene.lens import Lens
from posekit.studio.scene.light import lights
from posekit.studio.scene.photograph import Patch, Scene, photograph
from posekit.studio.scene.scenery import Backdrop

BODY = body.free()
SIZE = 160
# SMPL's rest frame (x left, y up, z forward) upright in the world, facing x
UPRIGHT = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
OVERHEAD = lights(np.full(3, 0.3), np.full(3, 0.2), [(np.array([0, 0, 1.0]), np.full(3, 0.7))])


class Plain:
    """A grey floor under a grey sky, and a wall if asked for."""

    def __init__(self, wall: float = np.inf):
        self.wall = wall

    def view(self, K, rotation, centre, height, width):
        y, x = np.mgrid[:height, :width]
        pixels = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
        down = (rotation.numpy().T @ np.linalg.inv(K.numpy()) @ pixels)[2]
        with np.errstate(divide="ignore"):
            away = np.where(down < 0, -centre.numpy()[2] / down, np.inf)
        depth = np.minimum(away, self.wall).reshape(height, width)
        floor = (away < self.wall).reshape(height, width)
        return Backdrop(
            torch.full((height, width, 3), 0.5),
            torch.from_numpy(depth).float(),
            torch.from_numpy(floor),
        )


def person(x=0.0, y=0.0, seed=0, turn=UPRIGHT):
    look = wardrobe.draw(np.random.default_rng(seed))
    shape = torch.zeros(BODY.shapes)
    dressed = cast.dress(BODY, BODY.rest(shape[None]), look, shape)
    rotations = torch.eye(3).repeat(24, 1, 1)
    rotations[0] = turn
    stood = dressed.pose(rotations, torch.zeros(3))
    return stood.moved(torch.tensor([x, y, -float(stood.surface[:, 2].min())]))


def camera(distance=4000.0, height=1000.0, focal=260.0):
    """Ahead of the person on the x axis, looking back at it."""
    rotation = np.array([[0, 1.0, 0], [0, 0, -1], [-1, 0, 0]])
    middle = ((SIZE - 1) / 2, (SIZE - 1) / 2)
    lens_of = Intrinsics("test", (focal, focal), middle, size=(SIZE, SIZE))
    return lens_of.at(torch.from_numpy(rotation), torch.tensor([distance, 0.0, height]))


def scene(*people, around=None, **changes):
    whole = Scene(BODY, people, camera(), around or Plain(), OVERHEAD, Lens())
    return replace(whole, **changes)


def picture(whole, **options):
    return photograph(whole, np.eye(3), SIZE, SIZE, **options)


def drawn(points):
    """A silhouette by filling every triangle on its own."""
    canvas = np.zeros((SIZE, SIZE), dtype=np.uint8)
    for corners in points[BODY.faces]:
        cv2.fillConvexPoly(canvas, (corners * 16).round().astype(np.int32), 1, shift=4)
    return canvas > 0


def test_the_mask_is_the_union_of_the_triangles():
    whole = scene(person())
    eye = whole.camera
    points = eye.project(eye.world_to_camera(whole.people[0].surface)).numpy()
    mask, union = picture(whole).owner == 0, drawn(points)
    # OpenCV decides at pixel centres and paints every edge, the mask asks half of four samples:
    # they differ on edges, and in gaps narrower than two pixels, between fingers and thighs.
    spread, shrunk = (
        change(union.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        for change in (cv2.dilate, cv2.erode)
    )
    assert not (mask & ~spread).any() and (shrunk & ~mask).sum() <= 8
    assert (mask & union).sum() / (mask | union).sum() > 0.93


def test_parts_lie_where_the_body_has_them():
    whole = scene(person())
    shot = picture(whole)
    batch = labels.label(shot, 0, SPIN24, 0)
    for joint, part in (("left_elbow", 1), ("right_elbow", 2), ("nose", 3), ("left_knee", 4),
                        ("right_knee", 5), ("spine", 6)):  # fmt: skip
        x, y = batch.joints2d[0, SPIN24.index(joint)].round().int().tolist()
        assert shot.parts[y, x] == part, joint
    assert ((shot.parts > 0) == (shot.owner == 0)).all()


@pytest.mark.parametrize("skeleton", [H36M17, SPIN24, MPII16, COCO17, LSP14, SMPL24])
def test_joints_project_onto_their_pixels(skeleton):
    shot = picture(scene(person()))
    batch = labels.label(shot, 0, skeleton, 5)
    assert batch.index.tolist() == [5]
    homogeneous = batch.joints3d[0] @ batch.intrinsics[0].T
    assert torch.allclose(homogeneous[:, :2] / homogeneous[:, 2:], batch.joints2d[0], atol=1e-3)
    left, top, width, height = batch.boxes[0].tolist()
    inside = (batch.joints2d[0] >= torch.tensor([left, top])) & (
        batch.joints2d[0] <= torch.tensor([left + width, top + height])
    )
    assert inside.all()
    assert (batch.visible[0] != UNKNOWN).all()


def test_a_joint_that_nobody_can_place_is_marked_unknown():
    batch = labels.label(picture(scene(person())), 0, MPI_INF_3DHP17, 0)
    unknown = batch.visible[0] == UNKNOWN
    assert [MPI_INF_3DHP17.joints[k] for k in unknown.nonzero()[:, 0]] == ["mid_head"]
    assert batch.joints2d.isfinite().all() and (batch.joints2d[0][unknown] == 0).all()


def test_the_body_parameters_give_the_joints_back():
    batch = labels.label(picture(scene(person())), 0, SMPL24, 0)
    posed = BODY(batch.rotations, batch.shape, batch.translation)
    assert torch.allclose(posed.joints, batch.joints3d, atol=0.01)


def test_a_body_without_regressors_labels_what_its_rig_has():
    bare = replace(BODY, regressors={})
    shot = picture(replace(scene(person()), body=bare))
    batch = labels.label(shot, 0, COCO17, 0)
    unknown = {COCO17.joints[k] for k in (batch.visible[0] == UNKNOWN).nonzero()[:, 0]}
    assert unknown == {"nose", "left_eye", "right_eye", "left_ear", "right_ear"}
    assert labels.label(shot, 0, SMPL24, 0).visible.min() > UNKNOWN


def test_the_nearer_person_hides_the_other():
    both = scene(person(), person(x=1200, y=60, seed=1))
    shot = picture(both)
    alone = picture(scene(both.people[0])).owner == 0
    front = picture(scene(both.people[1])).owner == 0
    assert ((shot.owner == 1) == front).mean() > 0.999
    assert ((shot.owner == 0) == (alone & ~front)).mean() > 0.995
    behind = labels.label(shot, 0, H36M17, 0)
    covered = behind.joints2d[0].round().long()
    for joint, (x, y) in enumerate(covered.tolist()):
        if front[y, x]:
            assert behind.visible[0, joint] == HIDDEN
    before = labels.label(shot, 1, H36M17, 0)
    hips_and_knees = [0, 1, 2, 4, 5]
    assert (before.visible[0, hips_and_knees] == SEEN).all()
    assert behind.masks.sum() == (shot.owner == 0).sum()


def test_a_trunk_hides_what_is_behind_it():
    back = labels.label(
        picture(scene(person(turn=UPRIGHT @ torch.diag(torch.tensor([-1.0, 1, -1]))))), 0, SPIN24, 0
    )
    face = labels.label(picture(scene(person())), 0, SPIN24, 0)
    for joint in ("nose", "left_eye", "right_eye"):
        joint = SPIN24.index(joint)
        assert face.visible[0, joint] == SEEN and back.visible[0, joint] == HIDDEN


def test_walls_and_patches_hide_people():
    free = picture(scene(person()))
    walled = picture(scene(person(), around=Plain(wall=3000.0)))
    assert (walled.owner == -1).all() and (walled.front <= 3000).all()
    patch = Patch(np.full((20, 40, 4), 255, np.uint8), 60.0, 70.0, 1.0)
    covered = picture(scene(person(), patches=(patch,)))
    assert (covered.owner[71:89, 61:99] == -1).all()
    assert (covered.owner[:68] == free.owner[:68]).all()
    assert labels.label(covered, 0, SPIN24, 0).visible[0, SPIN24.index("pelvis")] == HIDDEN


def test_outside_the_photograph_all_is_black_and_hidden():
    affine = np.array([[1.0, 0, 50], [0, 1, 0], [0, 0, 1]])
    shot = photograph(scene(person()), affine, SIZE, SIZE, (SIZE // 2, SIZE))
    assert (shot.image[:, :49] == 0).all() and (shot.image[:, 131:] == 0).all()
    assert (shot.image[:, 51:128] > 0).any()
    assert (shot.owner[:, 132:] == -1).all()


def test_light_from_above_darkens_the_floor_under_a_person_and_nothing_else():
    high = camera(4000.0, 2500.0)
    turn = np.array([[0, 1.0, 0], [0.5, 0, -(0.75**0.5)], [-(0.75**0.5), 0, -0.5]])
    eye = replace(high, rotation=torch.from_numpy(turn))
    hovering = person().moved(torch.tensor([0.0, 0.0, 600.0]))
    with_person = picture(scene(hovering, camera=eye))
    empty = picture(scene(person(x=-90_000.0), camera=eye))
    floor = (with_person.owner < 0) & np.isfinite(with_person.front)
    darker = floor & (with_person.image[..., 0].astype(int) < empty.image[..., 0].astype(int) - 20)
    y, x = np.nonzero(darker)
    rays = torch.from_numpy(np.stack([x, y], 1)).float()
    points = eye.back_project_pinhole(rays, torch.from_numpy(with_person.front[y, x]))
    world = points @ eye.rotation.float() + eye.centre.float()
    surface = hovering.surface[:, :2]
    gap = torch.cdist(world[:, :2], surface).amin(1)
    assert len(y) > 100 and gap.max() < 90  # soft edges reach some pixels farther
    feet = eye.project(eye.world_to_camera(hovering.joints[:1] * torch.tensor([1.0, 1, 0])))[0]
    assert darker[int(feet[1]), int(feet[0])]


def test_smoother_edges_than_one_sample_a_pixel():
    shot = picture(scene(person()))
    edge = cv2.dilate((shot.owner == 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert len(np.unique(shot.image[edge & (shot.owner < 0)], axis=0)) > 40


def test_the_lens_bends_people_and_their_joints_alike():
    bent = HUMAN36M_INTRINSICS["54138969"].at(
        camera().rotation, torch.tensor([2600.0, 0.0, 1000.0])
    )
    affine = np.diag([0.16, 0.16, 1.0])
    shot = photograph(scene(person(), camera=bent), affine, SIZE, SIZE)
    batch = labels.label(shot, 0, SMPL24, 0)
    expected = bent.project(bent.world_to_camera(shot.scene.people[0].joints)) * 0.16
    assert torch.allclose(batch.joints2d[0], expected, atol=1e-3)
    straight = replace(bent, radial=torch.zeros(3), tangential=torch.zeros(2))
    pinhole = straight.project(straight.world_to_camera(shot.scene.people[0].joints)) * 0.16
    assert (pinhole - expected).abs().max() > 1  # or the test would not see a lens
    toe = shot.scene.people[0].surface[:, 2].argmin()
    x, y = (bent.project(bent.world_to_camera(shot.scene.people[0].surface[toe])) * 0.16).tolist()
    assert (shot.owner[round(y) - 3 : round(y) + 2, round(x) - 2 : round(x) + 3] == 0).any()


def test_people_behind_the_camera_and_broken_poses_are_named():
    with pytest.raises(ValueError, match="person 1 reaches behind the camera"):
        picture(scene(person(), person(x=4000.0)))
    dressed = person().dressed
    with pytest.raises(ValueError, match="NaN"):
        dressed.pose(torch.full((24, 3, 3), torch.nan), torch.zeros(3))


def test_actors_keep_the_studios_bones():
    for subject in anatomy.SUBJECTS:
        take = poses.performance(subject, "Walking", 1, frames=4)
        stood = cast.actor(subject, BODY).pose(
            torch.from_numpy(take.rotations[2]).float(),
            torch.from_numpy(take.translation[2]).float(),
        )
        assert torch.allclose(stood.joints, torch.from_numpy(take.joints[2]).float(), atol=0.05)
        # Feet on the floor, soles and all: between 20 mm under it and 60 mm above.
        assert -60 < float(stood.surface[:, 2].min()) < 40
