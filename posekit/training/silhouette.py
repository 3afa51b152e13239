"""How far a body's silhouette is from a mask, with the gradient that moves its outline there.

The loss is the area where silhouette and mask differ, by the mask's area. The renderer gives the
area, but no gradient. That follows from the outline alone (Reynolds' transport theorem): where it
moves by dx, the area changes by (1 - 2 T) n . dx along each piece of it, T being the mask there
and n the outward normal: pieces outside of the mask are pulled in, pieces inside are pushed out,
and all rest where T is a half. The outline's pieces are the edges between a triangle that faces the
camera and one that faces away, without those that lie before the body itself. Folds finer than a
sample, at fingers and ears, count more than once: at 224 px the gradient is good to some 10 %.

B bodies, V vertices, F faces, E edges, N pieces of outlines, H x W pixels.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from posekit.geometry.render import rasterise

SAMPLES = 4  # in a pixel's width and height
BESIDE = 0.1  # px off the outline, where the background must be seen


def silhouette_loss(
    points: Float[Tensor, "B V 3"], faces: Int64[Tensor, "F 3"], masks: Float[Tensor, "B H W"]
) -> Float[Tensor, ""]:
    """The area between silhouette and mask over the mask's, mean over the bodies.

    `points` are (x px, y px, depth mm) as `render.project` gives them, `masks` from 0 to 1, such as
    a raster's `coverage`. Blurred masks reach farther: the gradient looks at the outline's place
    only. ValueError for an empty mask.
    """
    areas = masks.sum((1, 2))
    if not (areas > 0).all():
        raise ValueError(f"mask {int((areas <= 0).nonzero()[0])} is empty: nothing can be compared")
    size = masks.shape[1:]
    raster = rasterise(points.detach(), faces, *size, cull=None, supersample=SAMPLES)
    value = ((raster.coverage - masks).abs().sum((1, 2)) / areas).mean()
    body, ends, normal = outline(points.detach(), faces)
    at = points[body[:, None], ends][..., :2]  # (N, 2, 2)
    middle = at.detach().mean(1)
    beside = (middle + BESIDE * normal + 0.5) * SAMPLES - 0.5  # in samples
    bare = _look(raster.silhouette.float(), body, beside) < 0.5
    length = (at[:, 1] - at[:, 0]).detach().norm(dim=-1)
    pull = (1 - 2 * _look(masks, body, middle)) * length * bare / areas[body]
    moved = (pull * (normal * at.mean(1)).sum(-1)).sum() / len(points)
    return value + moved - moved.detach()


def outline(
    points: Float[Tensor, "B V 3"], faces: Int64[Tensor, "F 3"]
) -> tuple[Int64[Tensor, " N"], Int64[Tensor, "N 2"], Float[Tensor, "N 2"]]:
    """Pieces where the surface turns away: whose they are, their two vertices, and the normal in
    the picture, away from the surface."""
    ends, sides = edges(faces)
    corners = points[:, faces, :2]  # (B, F, 3, 2)
    a, b = (corners[:, :, k] - corners[:, :, 0] for k in (1, 2))
    front = a[..., 0] * b[..., 1] < a[..., 1] * b[..., 0]  # counter-clockwise, y down
    alone = sides[:, 0] == sides[:, 1]
    turns = (front[:, sides[:, 0]] != front[:, sides[:, 1]]) | alone
    body, edge = turns.nonzero(as_tuple=True)
    start, end = points[body[:, None], ends[edge]][..., :2].unbind(1)
    along = end - start
    normal = functional.normalize(torch.stack([along[:, 1], -along[:, 0]], dim=-1), dim=-1)
    # Both triangles lie on one side; seen edge on, one may seem to lie nowhere.
    inside = points[body[:, None, None], faces[sides[edge]]][..., :2].mean(2)  # (N, 2, 2)
    away = ((start[:, None] - inside) * normal[:, None]).sum((1, 2), keepdim=True)[:, 0]
    return body, ends[edge], torch.where(away >= 0, normal, -normal)


def edges(faces: Int64[Tensor, "F 3"]) -> tuple[Int64[Tensor, "E 2"], Int64[Tensor, "E 2"]]:
    """The two vertices of each edge, and its two faces, twice the same where it has but one."""
    pairs = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(dim=1).values
    face = torch.arange(len(faces), device=faces.device).repeat(3)
    ends, which = pairs.unique(dim=0, return_inverse=True)
    low = torch.full((len(ends),), len(faces), device=faces.device)
    sides = [low.scatter_reduce(0, which, face, "amin")]
    sides.append(torch.zeros_like(low).scatter_reduce(0, which, face, "amax"))
    return ends, torch.stack(sides, dim=1)


def _look(
    pictures: Float[Tensor, "B H W"], body: Int64[Tensor, " N"], places: Float[Tensor, "N 2"]
) -> Float[Tensor, " N"]:
    """Pictures at places in px between the pixels' middles, 0 outside."""
    height, width = pictures.shape[1:]
    low = places.floor()
    total = places.new_zeros(len(places))
    for dx in (0, 1):
        for dy in (0, 1):
            x, y = (low + places.new_tensor([dx, dy])).long().unbind(-1)
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            value = pictures[body, y.clamp(0, height - 1), x.clamp(0, width - 1)]
            near = 1 - (places - low - places.new_tensor([dx, dy])).abs()
            total = total + near.prod(-1) * value * inside
    return total
