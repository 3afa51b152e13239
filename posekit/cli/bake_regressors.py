"""The free body's regressors, rows (V,) that give a joint from the vertices; part of `bake_body`.

A row is a ridge regression on bodies in poses of the studio, half of them of random shape, half
tailored to the actors. Its target is the point on its own bone, or at the studio's marker.

Dimensions: N posed bodies, V vertices, M of them near a point, S shape components, K points. A
point is its place at rest, mean and components (1 + S, 3), m, and the bone that moves it.
"""

from itertools import product

import numpy as np
import torch
from scipy.spatial import cKDTree

from posekit.geometry.body import MM, Body
from posekit.geometry.body_files import REGRESSOR
from posekit.geometry.skeleton import H36M17, SMPL24, SPIN24
from posekit.studio import poses
from posekit.studio.motion.anatomy import SUBJECTS, body
from posekit.studio.poses import SMPL_AXES

RIG = ("rig pelvis", *SMPL24.joints[1:])  # "pelvis" is the middle of the hips
STUDIO_MARKERS = ("pelvis", "spine", "thorax", "neck_nose", "head")


def mirror(vertices: np.ndarray) -> np.ndarray:
    """Indices (V,) of the mirrored vertices, from vertices (V, 3) in m; ValueError if askew."""
    distance, twin = cKDTree(vertices).query(vertices * (-1, 1, 1))
    if distance.max() > 1e-3 or (twin[twin] != np.arange(len(twin))).any():
        raise ValueError(f"the mesh is not symmetric: {distance.max():.4f} m off")
    return twin


def regressors(model: Body, points: dict) -> dict[str, np.ndarray]:
    """J_regressor (24, V), which is exact at rest, and the regressors (K, V) by skeleton."""
    names = [name for name, (_, bone) in points.items() if bone is not None]
    vertices, places = _posed(model, points, names)
    twin = mirror(model.template.numpy() / MM)
    fits = {}
    for exact in (False, True):
        wanted = RIG if exact else dict.fromkeys((*H36M17.joints, *SPIN24.joints))
        rest = {name: points[name][0] * MM if exact else None for name in wanted}
        rows = {
            name: _regress(model, vertices, places[:, names.index(name)], rest[name])
            for name in wanted
            if name in names
        }
        fit = fits[exact] = {}
        for name, row in rows.items():
            side, _, part = name.partition("_")
            other = {"left": f"right_{part}", "right": f"left_{part}"}.get(side, name)
            fit[name] = (row + rows[other][twin]) / 2
            if exact:
                fit[name] = _exact(model, fit[name], rest[name])
        fit["mid_shoulders"] = (fit["left_shoulder"] + fit["right_shoulder"]) / 2
    regressors = {"J_regressor": [fits[True][name] for name in RIG]}
    for skeleton in (H36M17, SPIN24):
        regressors[REGRESSOR + skeleton.name] = [fits[False][name] for name in skeleton.joints]
    return {key: np.stack(rows).astype(np.float32) for key, rows in regressors.items()}


def _posed(model: Body, points: dict, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, V, 3) of bodies in poses of the studio, and the named points (N, K, 3), mm."""
    generator = torch.Generator().manual_seed(0)
    vertices, places = [], []
    for subject, action in product(SUBJECTS, poses.ACTIONS):
        take = poses.performance(subject, action, 1, frames=300)
        rotations = torch.from_numpy(take.rotations[7::42]).float()
        count = len(rotations)
        shape, tailored = model.tailor(torch.from_numpy(take.offsets).float())
        draw = torch.randn(count, model.shapes, generator=generator)
        for shapes, rest in ((draw, model.rest(draw)), (shape.expand(count, -1), tailored)):
            posed = model.pose(rest, rotations, torch.zeros(count, 3))
            terms = torch.cat([torch.ones(count, 1), shapes], dim=1)
            shift = rest.joints - model.rest(shapes).joints  # by tailoring
            at = []
            for name in names:
                point, bone = points[name]
                own = terms @ torch.from_numpy(point * MM).float() + shift[:, bone]
                if rest is tailored and name in STUDIO_MARKERS:
                    marker = body(subject).marker_offsets[H36M17.index(name)] @ SMPL_AXES
                    own = (torch.from_numpy(marker).float() + rest.joints[:, bone]).expand(count, 3)
                bones = posed.transforms[:, bone]
                at.append((bones[:, :3, :3] @ own[..., None])[..., 0] + bones[:, :3, 3])
            vertices.append(posed.vertices)
            places.append(torch.stack(at, dim=1))
    return torch.cat(vertices).numpy(), torch.cat(places).numpy()


def _regress(model: Body, vertices, places, exact, noise=2.0, count=130) -> np.ndarray:
    """A row (V,) over the `count` vertices nearest to a point that gives it in the posed bodies.

    Vertices are assumed to err by `noise` mm; `exact`, the point at rest for each shape, counts most.
    """
    mean = np.linalg.norm(vertices - places[:, None], axis=2).mean(axis=0)
    every = 1 + len(mean) // 5000  # of a fine mesh take fewer from farther around
    near = np.argsort(mean, kind="stable")[: count * every : every]
    apart = (vertices[:, near] - places[:, None]).astype(np.float64)
    apart = apart.transpose(0, 2, 1).reshape(-1, count)
    form = apart.T @ apart / len(vertices) + noise**2 * np.eye(count)
    if exact is not None:
        apart = _at_rest(model, near, exact)
        form += 1e6 * apart.T @ apart
    share = np.linalg.solve(form, np.ones(count))  # least form of rows that add up to one
    share /= share.sum()
    row = np.zeros(len(model.template))
    row[near] = share
    return row


def _at_rest(model: Body, near: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Vertices less a point at rest, for the mean and the shapes: (3 + 3 S, M), mm."""
    shapes = torch.cat([model.template[None], model.shape_directions])[:, near].double().numpy()
    return (shapes - exact[:, None]).transpose(0, 2, 1).reshape(-1, len(near))


def _exact(model: Body, row: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The nearest row over the same vertices that gives a point at rest exactly."""
    near = np.flatnonzero(row)
    apart = np.concatenate([_at_rest(model, near, exact), np.full((1, len(near)), MM)])
    miss = apart @ row[near] - [*[0.0] * (len(apart) - 1), MM]  # the row's sum stays one
    row = row.copy()
    row[near] -= np.linalg.pinv(apart, rcond=1e-9) @ miss
    return row
