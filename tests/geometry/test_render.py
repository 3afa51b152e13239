"""The rasteriser against Embree's rays, against whole numbers, and against itself."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch
import trimesh
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from scipy.spatial import Delaunay

from posekit.geometry import body, render, zbuffer
from posekit.geometry.camera import HUMAN36M_INTRINSICS

SIZE = 128
K = torch.tensor([[[165.0, 0, 63.5], [0, 165.0, 63.5], [0, 0, 1]]])


def mesh(shape: trimesh.Trimesh, size=600.0, place=(0, 0, 3000), turn=0) -> trimesh.Trimesh:
    """`shape` turned at random, `size` mm tall at most, at `place` before the camera."""
    shape = shape.copy()
    shape.apply_transform(
        trimesh.transformations.random_rotation_matrix(np.random.default_rng(turn).random(3))
    )
    shape.apply_scale(size / shape.extents.max())
    shape.apply_translation(np.asarray(place) - shape.bounds.mean(axis=0))
    return shape


def soup(seed=0, count=400) -> trimesh.Trimesh:
    """Triangles of all sizes that pierce each other, from 0.3 to 6 m away."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform([-900, -900, 400], [900, 900, 6000], (count, 1, 3))
    corners = centre + rng.normal(size=(count, 3, 3)) * 10 ** rng.uniform(0, 2.5, (count, 1, 1))
    corners[..., 2] = corners[..., 2].clip(300)
    return trimesh.Trimesh(
        corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3), process=False
    )


def both(*meshes: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.util.concatenate(list(meshes))


create = trimesh.creation
SCENES = {
    "ball": mesh(create.icosphere(4), 1500),
    "torus": mesh(create.torus(1, 0.4), 1500, turn=1),
    "capsule": mesh(create.capsule(3, 1), 1900, turn=2),
    "two people": both(
        mesh(create.capsule(3, 1), 1500, (-150, 0, 3000), 3),
        mesh(create.torus(1, 0.4), 900, (150, 0, 2500), 4),
    ),
    "intersecting": both(
        mesh(create.box(), 900, (0, 0, 3000), 5),
        mesh(create.icosphere(3), 900, (300, 100, 3100), 6),
        mesh(create.cylinder(1, 5), 1800, (-100, 0, 2950), 7),
    ),
    "half outside": mesh(create.torus(1, 0.4), 3000, (900, 900, 3000), 8),
    "soup": soup(),
}


def tensors(scene: trimesh.Trimesh) -> tuple[torch.Tensor, torch.Tensor]:
    """Camera points 1 V 3 (float32) and faces."""
    vertices = torch.from_numpy(np.array(scene.vertices)).float()[None]
    return vertices, torch.from_numpy(np.array(scene.faces)).long()


def embree(vertices, faces, k, height, width) -> tuple[np.ndarray, np.ndarray]:
    """Face ids (-1: nothing) and depths (mm, inf) that rays through the samples meet."""
    y, x = np.indices((height, width)).reshape(2, -1).astype(np.float64)
    k = k.double().numpy()
    rays = np.stack([(x - k[0, 2]) / k[0, 0], (y - k[1, 2]) / k[1, 1], np.ones_like(x)], axis=1)
    scene = EmbreeScene(robust=True)
    TriangleMesh(scene, vertices.numpy()[faces.numpy()].astype(np.float32))
    hit = scene.run(np.zeros_like(rays, dtype=np.float32), rays.astype(np.float32), output=True)
    shape = (height, width)
    depth = np.where(hit["primID"] >= 0, hit["tfar"], np.inf)
    return hit["primID"].reshape(shape), depth.reshape(shape)


def edge_distance(points, faces, ids, pixels) -> np.ndarray:
    """How far (px) each pixel (y, x) is from the nearest edge of its triangle in `ids`."""
    corner = points[faces[ids]][..., :2].double().numpy()
    at = np.asarray(pixels, dtype=float)[:, None, ::-1]
    along = np.roll(corner, -1, axis=1) - corner
    t = ((at - corner) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-30)
    return np.linalg.norm(at - corner - t.clip(0, 1)[..., None] * along, axis=-1).min(axis=1)


def slant(vertices, faces, ids, k, height, width) -> np.ndarray:
    """The cosine between each pixel's ray and the normal of its triangle in `ids`."""
    corner = vertices.double().numpy()[faces.numpy()[ids]]
    normal = np.cross(corner[..., 1, :] - corner[..., 0, :], corner[..., 2, :] - corner[..., 0, :])
    y, x = np.indices((height, width))
    ray = np.stack([(x - k[0, 2]) / k[0, 0], (y - k[1, 2]) / k[1, 1], np.ones_like(x)], axis=-1)
    lengths = np.linalg.norm(normal, axis=-1) * np.linalg.norm(ray, axis=-1)
    return np.abs((normal * ray).sum(-1)) / np.maximum(lengths, 1e-30)


def face_ids(raster: render.Raster) -> torch.Tensor:
    """The triangle of each pixel (B, H, W), -1 for nothing."""
    return raster.labels(torch.arange(len(raster.faces), device=raster.faces.device), -1)


def weights(raster: render.Raster) -> torch.Tensor:
    return raster.fill(raster.covered.weights)


def interpolated(raster: render.Raster, attribute: torch.Tensor) -> torch.Tensor:
    return raster.fill(raster.covered.interpolate(attribute))


def pixel_labels(raster: render.Raster, labels: torch.Tensor) -> torch.Tensor:
    """The label of each pixel's nearest sample, 0 where under half of its samples see anything."""
    pixels, samples, count = raster.nearest()
    values = torch.zeros_like(raster.coverage, dtype=labels.dtype)
    mostly = 2 * count >= raster.supersample**2
    values.view(-1)[pixels[mostly]] = labels[raster.cover(samples).face[mostly]]
    return values


def agreement(vertices, faces, k, height, width) -> dict[str, float]:
    """Ours and Embree's picture of V 3 camera points: only pixels on edges may differ."""
    points = render.project(vertices[None], k[None])
    raster = render.rasterise(points, faces, height, width, cull=False)
    ids, depth = embree(vertices, faces, k, height, width)
    ours, near = face_ids(raster)[0].numpy(), raster.depth[0].numpy()
    differ = ours != ids
    both = (ours >= 0) & (ids >= 0)
    error = np.abs(np.where(both, near, 0) - np.where(both, depth, 0))
    apart = differ & ~(both & (error < 0.1))  # where surfaces meet, either may be in front
    pixels, gap = np.argwhere(apart), np.full(apart.sum(), np.inf)
    for seen in (ours[apart], ids[apart]):
        real = seen >= 0
        found = edge_distance(points[0], faces, seen[real], pixels[real])
        gap[real] = np.minimum(gap[real], found)
    assert (gap < 0.002).all(), f"{len(gap)} pixels differ, up to {gap.max():.4f} px off an edge"
    cosine = slant(vertices, faces, ids, k.double().numpy(), height, width)
    same = both & ~differ
    # On a surface seen along itself, depth changes by metres a pixel: there it is measured across.
    return {
        "covered": int((ours >= 0).sum()),
        "iou": ((ours >= 0) & (ids >= 0)).sum() / ((ours >= 0) | (ids >= 0)).sum(),
        "differ": int(differ.sum()),
        "depth": float(error[same & (cosine > 0.01)].max()),
        "across": float((error * cosine)[same].max()),
    }


def assert_agreement(found: dict[str, float]) -> None:
    assert found["covered"] > 1000
    assert found["iou"] > 0.9998
    assert found["differ"] <= 0.0005 * found["covered"]
    assert found["depth"] < 0.1 and found["across"] < 0.01


@pytest.mark.parametrize("size", [128, 300])
@pytest.mark.parametrize("name", SCENES)
def test_embree_sees_the_same(name, size):
    scale = torch.tensor([[size / SIZE], [size / SIZE], [1]])
    found = agreement(*(t.squeeze(0) for t in tensors(SCENES[name])), K[0] * scale, size, size)
    assert_agreement(found)


def people(seed: int, full: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two bodies in random poses, upright before the camera, one partly behind the other.

    V 3 camera points, F 3 faces, F parts.
    """
    model, generator = body.free(full=full), torch.Generator().manual_seed(seed)
    turns = torch.randn(2, 24, 3, generator=generator) * 0.25
    turns[:, 0] = torch.tensor([[np.pi, 0, 0], [0.5, 0, 0]])
    shape = torch.randn(2, model.shapes, generator=generator)
    place = torch.tensor([[-150.0, 50, 2600], [200.0, -20, 3100]])
    posed = model(roma.rotvec_to_rotmat(turns), shape, place)
    count = posed.vertices.shape[1]
    return posed.vertices.flatten(0, 1), torch.cat([model.faces, model.faces + count]), model.parts


@pytest.mark.parametrize("full", [False, True])
def test_embree_sees_the_same_people(full):
    vertices, faces, parts = people(1, full)
    k = K[0] * torch.tensor([[2.0], [2.0], [1]])
    one = len(faces) // 2
    for some in (faces[:one], faces):
        found = agreement(vertices, some, k, 256, 256)
        assert_agreement(found)
    raster = render.rasterise(render.project(vertices[None], k[None]), faces, 256, 256)
    apart = [
        render.rasterise(render.project(vertices[None], k[None]), some, 256, 256)
        for some in (faces[:one], faces[one:])
    ]
    first = apart[0].depth < apart[1].depth
    assert (first & apart[1].silhouette).sum() > 300  # they do overlap
    assert torch.equal(raster.depth, torch.minimum(apart[0].depth, apart[1].depth))
    assert torch.equal(
        face_ids(raster),
        torch.where(
            first, face_ids(apart[0]), face_ids(apart[1]) + one * (face_ids(apart[1]) >= 0)
        ),
    )
    assert raster.labels(torch.cat([parts, parts])).unique().tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_every_pixel_of_a_plane_belongs_to_one_triangle():
    """Corners on pixel centres and on edges of others included."""
    rng = np.random.default_rng(3)
    corners = rng.uniform(-8, 40, (150, 2))
    corners[:60] = corners[:60].round()
    corners[60:80] = (corners[60:80] * 2).round() / 2
    corners = np.concatenate([corners, [[-9, -9], [41, -9], [-9, 41], [41, 41]]])
    faces = torch.from_numpy(Delaunay(corners).simplices).long()
    points = torch.cat([torch.from_numpy(corners), torch.full((len(corners), 1), 500.0)], dim=1)
    alone = render.rasterise(points[faces], torch.tensor([[0, 1, 2]]), 32, 32, cull=False)
    assert (alone.silhouette.sum(0) == 1).all()
    whole = render.rasterise(points[None], faces, 32, 32, cull=False)
    assert torch.equal(face_ids(whole)[0], alone.silhouette.int().argmax(0))


def test_the_pixels_of_triangles_are_those_of_whole_numbers():
    """Half-plane tests with the top-left rule, pixel by pixel, in integers."""
    rng = np.random.default_rng(4)
    corners = rng.integers(-8, 32, (600, 3, 2)) * rng.choice([0.25, 0.5, 1, np.pi / 3], (600, 1, 1))
    points = torch.from_numpy(np.concatenate([corners, np.full((600, 3, 1), 700.0)], axis=2))
    raster = render.rasterise(points, torch.tensor([[0, 1, 2]]), 24, 24, cull=False)
    y, x = np.indices((24, 24)) * int(zbuffer.SUBPIXELS)
    for fixed, got in zip(
        np.round(corners * zbuffer.SUBPIXELS).astype(np.int64), raster.silhouette
    ):
        (ux, uy), (vx, vy) = fixed[1:] - fixed[0]
        area = ux * vy - uy * vx
        inside = np.full(x.shape, area != 0)
        corner = fixed if area > 0 else fixed[::-1]
        for (ax, ay), (bx, by) in zip(corner, np.roll(corner, -1, axis=0), strict=True):
            side = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
            inside &= side >= 0 if by < ay or (by == ay and bx > ax) else side > 0
        assert np.array_equal(got.numpy(), inside)


def test_samples_lie_evenly_in_their_pixels():
    """A square from pixel edge to pixel edge covers its pixels wholly, and half pixels by half."""
    square = torch.tensor([[1.5, 1.5], [5.5, 1.5], [5.5, 4.0], [1.5, 4.0]])
    points = torch.cat([square, torch.full((4, 1), 900.0)], dim=1)[None]
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    for s in (1, 2, 4):
        raster = render.rasterise(points, faces, 8, 8, cull=False, supersample=s)
        want = torch.zeros(8, 8)
        want[2:4, 2:6], want[4, 2:6] = 1, 0.5 if s > 1 else 0
        assert torch.equal(raster.coverage[0], want)
    labels = pixel_labels(raster, torch.tensor([3, 4], dtype=torch.uint8))[0]
    assert set(labels[want >= 0.5].tolist()) == {3, 4} and (labels[want < 0.5] == 0).all()


def test_pixel_labels_are_of_the_nearest_sample():
    """A near sliver over one of four samples names the pixel; alone it does not."""
    far = [[-1, -1, 900.0], [9, -1, 900.0], [-1, 9, 900.0]]
    near = [[1.6, 1.6, 500.0], [1.95, 1.6, 500.0], [1.6, 1.95, 500.0]]
    faces, labels = torch.tensor([[0, 1, 2], [3, 4, 5]]), torch.tensor([1, 2], dtype=torch.uint8)
    points = torch.tensor([far + near])
    both = render.rasterise(points, faces, 4, 4, cull=False, supersample=2)
    alone = render.rasterise(points, faces[1:], 4, 4, cull=False, supersample=2)
    assert pixel_labels(both, labels)[0, 2, 2] == 2 and pixel_labels(both, labels)[0, 1, 1] == 1
    assert alone.coverage[0, 2, 2] == 0.25 and (pixel_labels(alone, labels[1:]) == 0).all()


def test_front_is_counterclockwise():
    vertices, faces = tensors(SCENES["torus"])
    points = render.project(vertices, K)
    back, none = (render.rasterise(points, faces, SIZE, SIZE, cull=cull) for cull in (True, False))
    front = render.rasterise(points, faces.flip(1), SIZE, SIZE)
    assert torch.equal(back.keys > 0, none.keys > 0)  # closed: culling hides nothing
    assert torch.equal(face_ids(back), face_ids(none))
    both = back.silhouette & front.silhouette
    assert both.sum() > 1000 and (front.depth > back.depth)[both].all()


def test_equally_near_triangles_the_first_wins():
    vertices, faces = tensors(SCENES["ball"])
    points = render.project(vertices, K)
    once = render.rasterise(points, faces, SIZE, SIZE)
    twice = render.rasterise(points, torch.cat([faces, faces]), SIZE, SIZE)
    assert torch.equal(face_ids(once), face_ids(twice))


def test_a_hundredth_of_a_millimetre_at_twenty_metres():
    corners = torch.tensor([[-5.0, -5], [40, -5], [-5, 40]], dtype=torch.float64)
    far, near = (torch.cat([corners, torch.full((3, 1), z).double()], 1) for z in (20000, 19999.99))
    raster = render.rasterise(
        torch.cat([far, near])[None], torch.arange(6).view(2, 3), 8, 8, cull=False
    )
    assert (face_ids(raster) == 1).all()


def test_depth_and_weights_of_a_slanted_plane_are_exact():
    """Against the float64 ray through every pixel, over a triangle that fills the picture."""
    vertices = torch.tensor([[[-9e3, -5e3, 1500], [2e4, -8e3, 9000], [-3e3, 9e3, 2500.0]]])
    raster = render.rasterise(
        render.project(vertices, K), torch.tensor([[0, 1, 2]]), SIZE, SIZE, cull=False
    )
    assert raster.silhouette.all()
    a, b, c = vertices[0].double()
    normal = torch.linalg.cross(b - a, c - a)
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    rays = torch.stack([(x - 63.5) / 165, (y - 63.5) / 165, torch.ones(SIZE, SIZE)], -1).double()
    depth = (normal @ a) / (rays @ normal)
    assert (raster.depth[0] - depth).abs().max() < 0.01
    place = interpolated(raster, vertices.double())[0]
    assert (place - rays * depth[..., None]).abs().max() < 0.02
    assert (weights(raster).sum(-1) - 1).abs().max() < 1e-6 and weights(raster).min() > 0


def test_a_lens_bends_the_picture_as_it_bends_the_joints():
    """Vertices interpolated at a pixel project, through the lens, to that pixel."""
    camera = HUMAN36M_INTRINSICS["60457274"].at(torch.eye(3), torch.zeros(3))
    vertices, faces = tensors(mesh(create.icosphere(5), 2200, (900, 900, 4000)))
    points = torch.cat([camera.project(vertices), vertices[..., 2:]], dim=-1)
    covered = render.rasterise(points, faces, 1002, 1000).covered
    back = camera.project(covered.interpolate(vertices))
    pixel = torch.stack([covered.pixels % 1000, covered.pixels // 1000], dim=1)
    assert len(pixel) > 100_000 and (back - pixel).norm(dim=1).max() < 0.01
    straight = replace(camera, radial=torch.zeros(3), tangential=torch.zeros(2))
    pinhole = straight.project(covered.interpolate(vertices))
    assert (pinhole - pixel).norm(dim=1).max() > 5


def test_triangles_reaching_behind_the_camera_are_left_out():
    vertices = torch.tensor([[[-500, -500, 900], [500, -500, 900], [0, 900, -50.0], [0, 900, 5]]])
    vertices = torch.cat([vertices, torch.tensor([[[0, 900, 0], [0, 0, 0], [0, 500, 900.0]]])], 1)
    points = render.project(vertices, K)
    assert points[0, [2, 4, 5], :2].isinf().all() and points[0, [0, 1, 3, 6]].isfinite().all()
    faces = torch.tensor([[0, 1, 2], [0, 1, 3], [0, 1, 4], [0, 1, 5]])
    assert not render.rasterise(points, faces, SIZE, SIZE, cull=False).silhouette.any()
    both = render.rasterise(
        points, torch.cat([faces, torch.tensor([[0, 1, 6]])]), SIZE, SIZE, cull=False
    )
    assert face_ids(both).unique().tolist() == [-1, 4]
    assert not render.rasterise(points, faces, SIZE, SIZE, cull=False, near=901.0).silhouette.any()
    assert render.rasterise(points, faces, SIZE, SIZE, cull=False, near=3.0).silhouette.any()


def test_an_infinite_depth_takes_a_person_away():
    vertices, faces = tensors(SCENES["two people"])
    points = render.project(vertices, K).repeat(2, 1, 1)
    count = len(SCENES["two people"].split()[0].vertices)
    points[0, count:, 2] = torch.inf
    raster = render.rasterise(points, faces, SIZE, SIZE)
    points[0, count:, :2] = torch.inf
    assert torch.equal(raster.keys, render.rasterise(points, faces, SIZE, SIZE).keys)
    alone = render.rasterise(points[1:, :count], faces[(faces < count).all(1)], SIZE, SIZE)
    assert (
        torch.equal(face_ids(raster)[:1], face_ids(alone))
        and (face_ids(raster)[1] > face_ids(alone).max()).any()
    )


def test_huge_and_flat_triangles():
    """1e9 px away: the frame is filled or not, and depth is still right; lines paint nothing."""
    corners = torch.tensor([[-1e9, -1e9, 800], [3e9, -1e9, 800], [-1e9, 3e9, 800.0]])
    faces = torch.tensor([[0, 1, 2]])
    raster = render.rasterise(corners[None], faces, 16, 24, cull=False)
    assert raster.silhouette.all() and (raster.depth == 800).all()
    away = torch.tensor([[1e9, 1e9, 800], [3e9, 1e9, 800], [1e9, 3e9, 800.0]])
    assert not render.rasterise(away[None], faces, 16, 24, cull=False).silhouette.any()
    half = torch.tensor([[8, -1e9, 800], [1e9, 0, 800], [8, 1e9, 800.0]])
    got = render.rasterise(half[None], faces, 16, 24, cull=False).silhouette[0]
    assert got[:, 8:].all() and not got[:, :8].any()
    for line in ([[0, 0], [8, 8], [16, 16]], [[3, 3], [3, 3], [9, 3]], [[5, 5]] * 3):
        points = torch.cat([torch.tensor(line).float(), torch.full((3, 1), 9e2)], 1)[None]
        assert not render.rasterise(points, faces, 16, 24, cull=False).silhouette.any()


@pytest.fixture(scope="module")
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Seven pictures of the soup from different places, points and faces."""
    vertices, faces = tensors(soup(9, 3000))
    shifts = torch.tensor([[[100.0 * i, -60.0 * i, 300.0 * i]] for i in range(7)])
    return render.project(vertices + shifts, K.repeat(7, 1, 1)), faces


def everything(points, faces, device="cpu") -> dict[str, torch.Tensor]:
    points, faces = points.to(device), faces.to(device)
    raster = render.rasterise(points, faces, 96, 128, cull=False, supersample=2)
    labels = torch.arange(len(faces), device=device).remainder(7).to(torch.uint8)
    out = {"face": face_ids(raster), "depth": raster.depth, "weights": weights(raster)}
    out["coverage"] = raster.coverage
    out["pixels"] = pixel_labels(raster, labels)
    out["places"] = raster.average(interpolated(raster, points))
    out["normals"] = render.normals(points, faces)
    return {name: value.cpu() for name, value in out.items()}


def test_neighbours_in_the_batch_change_no_bit(batch):
    points, faces = batch
    together = everything(points, faces)
    for i in range(7):
        alone = everything(points[i : i + 1], faces)
        for name, value in alone.items():
            assert value.numpy().tobytes() == together[name][i : i + 1].numpy().tobytes(), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU to compare the CPU with")
def test_a_gpu_paints_the_same_bits(batch):
    cpu, gpu = everything(*batch), everything(*batch, "cuda")
    for name, value in cpu.items():
        assert value.numpy().tobytes() == gpu[name].numpy().tobytes(), name


def test_dense_and_sparse_are_one(batch):
    points, faces = batch
    raster = render.rasterise(points, faces, 64, 96, cull=False)
    covered = raster.covered
    assert torch.equal(covered.pixels, raster.silhouette.flatten().nonzero()[:, 0])
    assert torch.equal(face_ids(raster).flatten()[covered.pixels], covered.face)
    assert torch.equal(raster.depth.flatten()[covered.pixels], covered.depth)
    assert torch.equal(covered.pictures, covered.pixels // (64 * 96))
    assert raster.depth[~raster.silhouette].isinf().all() and weights(raster).min() > -1e-4
    labels = torch.arange(len(faces))
    assert torch.equal(raster.labels(labels, -1), face_ids(raster))
    # Weights in the picture, from those in space, give back the pixel.
    corner = points[covered.pictures[:, None], faces[covered.face]].double()
    screen = covered.weights.double() * corner[..., 2]
    screen = (screen[..., None] * corner[..., :2]).sum(1) / screen.sum(1, keepdim=True)
    pixel = torch.stack([covered.pixels % 96, covered.pixels // 96 % 64], dim=1)
    assert (screen - pixel).abs().max() < 0.01


def test_normals_of_a_ball_point_outwards():
    ball = mesh(create.icosphere(4), 1500)
    vertices, faces = tensors(ball)
    got = render.normals(vertices, faces)[0].numpy()
    radial = ball.vertices - ball.bounds.mean(axis=0)
    radial /= np.linalg.norm(radial, axis=1, keepdims=True)
    assert np.abs(np.linalg.norm(got, axis=1) - 1).max() < 1e-6
    assert (got * radial).sum(1).min() > 0.999
    weighted = trimesh.geometry.weighted_vertex_normals(
        len(vertices[0]), ball.faces, ball.face_normals, np.repeat(ball.area_faces[:, None], 3, 1)
    )
    assert np.abs(got - weighted).max() < 1e-5
    lonely = torch.cat([vertices, torch.zeros(1, 1, 3)], dim=1)
    assert torch.equal(render.normals(lonely, faces)[0, -1], torch.zeros(3))


def test_a_shaded_ball_is_brighter_towards_the_light():
    vertices, faces = tensors(mesh(create.icosphere(4), 1500))
    colours = torch.tensor([0.9, 0.6, 0.3]).expand(1, vertices.shape[1], 3)
    picture = render.shaded(vertices, faces, K, SIZE, SIZE, colours)[0].int()
    assert (picture[0, 0] == 255).all()
    assert picture[45, 50, 0] > picture[80, 75, 0] + 50
    assert torch.allclose(
        picture[64, 64] / picture[64, 64, 0], torch.tensor([1, 2 / 3, 1 / 3]), atol=0.02
    )


def test_the_picture_mirrors():
    """x -> W - 1 - x of the points is that of the pixels, but for centres exactly on edges."""
    vertices, faces = tensors(SCENES["capsule"])
    points = render.project(vertices, K)
    mirrored = points * torch.tensor([-1.0, 1, 1]) + torch.tensor([SIZE - 1.0, 0, 0])
    a = face_ids(render.rasterise(points, faces, SIZE, SIZE, cull=False))
    b = face_ids(render.rasterise(mirrored, faces, SIZE, SIZE, cull=False)).flip(2)
    assert (a != b).sum() <= 3


def test_bad_input_is_named():
    vertices, faces = tensors(SCENES["capsule"])
    points = render.project(vertices, K).repeat(9, 1, 1)
    points[5, 7, 0] = torch.nan
    with pytest.raises(ValueError, match=r"batch index \[5\] have NaN"):
        render.rasterise(points, faces, 8, 8)
    points[8, 0, 2] = torch.nan
    with pytest.raises(ValueError, match=r"batch index \[5, 8\] have NaN"):
        render.rasterise(points[:, :, :], faces[:100], 8, 8)
    points[5, 7, 2], points[8, 0, 2] = -100, 100  # NaN behind the camera says nothing
    assert len(face_ids(render.rasterise(points, faces, 8, 8))) == 9
    with pytest.raises(ValueError, match=f"0 to {len(vertices[0])}, but there are"):
        render.rasterise(points, torch.tensor([[0, 1, len(vertices[0])]]), 8, 8)
    for wrong in ({"height": 0}, {"near": 0.0}, {"supersample": 0}, {"near": float("nan")}):
        with pytest.raises(ValueError, match="must be > 0"):
            render.rasterise(points, faces, **({"height": 8, "width": 8} | wrong))


def test_nothing_to_paint():
    vertices, faces = tensors(SCENES["capsule"])
    points = render.project(vertices, K)
    for raster in (
        render.rasterise(points, faces[:0], 8, 8),
        render.rasterise(points[:0], faces, 8, 8),
        render.rasterise(points + 1e4, faces, 8, 8),
    ):
        assert not raster.silhouette.any() and len(raster.covered.pixels) == 0
        assert (face_ids(raster) == -1).all() and raster.depth.isinf().all()
        assert interpolated(raster, points[: len(raster.keys)]).abs().sum() == 0
