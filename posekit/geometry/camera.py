"""A calibrated camera with Human3.6M's lens model, read from the notations of three projects.

World: millimetres, z up. Camera: millimetres, x right, y down, z forward. Pictures: pixels from the
upper left corner. Points have any batch shape and float type, which results keep.

The lens (Human3.6M's release code, also Martinez et al., 2017): with x = X/Z, y = Y/Z,
r^2 = x^2 + y^2, s = 1 + k1 r^2 + k2 r^4 + k3 r^6 + p1 y + p2 x,

    u = fx (s x + p2 r^2) + cx,    v = fy (s y + p1 r^2) + cy.

OpenCV's model has the same form but twice the p in the mixed terms (2 p1 x y where this has
p1 x y), so OpenCV's functions must not be called with these coefficients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import roma
import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Intrinsics:
    """The properties of a camera that don't depend on its place."""

    name: str
    focal: tuple[float, float]  # px
    principal: tuple[float, float]  # px
    radial: tuple[float, float, float] = (0.0, 0.0, 0.0)  # k1, k2, k3
    tangential: tuple[float, float] = (0.0, 0.0)  # p1, p2
    size: tuple[int, int] = (0, 0)  # width, height, px

    def at(self, rotation: Any, centre: Any) -> "Camera":
        """The camera standing at `centre` (world, mm), its rotation world to camera."""
        return Camera.from_numbers(rotation=rotation, centre=centre, **vars(self))


_HUMAN36M = """
name     fx        fy        cx       cy       k1        k2       k3        p1        p2        high
54138969 1145.0494 1143.7811 512.5415 515.4515 -0.207099 0.247775 -0.003075 -0.001424 -0.000976 1002
55011271 1149.6757 1147.5917 508.8486 508.0649 -0.194214 0.240409  0.006820 -0.002741 -0.001619 1000
58860488 1149.1407 1148.7990 519.8158 501.4026 -0.208338 0.255488 -0.002460 -0.000760  0.001484 1000
60457274 1145.5114 1144.7739 514.9683 501.8820 -0.198384 0.218324 -0.008948 -0.001813 -0.000587 1002
"""


def _intrinsics(row: str) -> Intrinsics:
    name, *numbers, height = row.split()
    fx, fy, cx, cy, k1, k2, k3, p1, p2 = map(float, numbers)
    return Intrinsics(name, (fx, fy), (cx, cy), (k1, k2, k3), (p1, p2), (1000, int(height)))


HUMAN36M_INTRINSICS = {
    lens.name: lens for lens in map(_intrinsics, _HUMAN36M.strip().splitlines()[1:])
}
"""Human3.6M's four cameras, in the order of its metadata, tangential as (p1, p2)."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera in its place. ValueError when its rotation is not one."""

    name: str
    rotation: Float[Tensor, "3 3"]  # world to camera
    centre: Float[Tensor, "3"]  # world, mm
    focal: Float[Tensor, "2"]  # px
    principal: Float[Tensor, "2"]  # px
    radial: Float[Tensor, "3"]  # k1, k2, k3
    tangential: Float[Tensor, "2"]  # p1, p2 in the order of Human3.6M's metadata
    size: tuple[int, int]  # width, height, px; (0, 0) where it is not known

    def __post_init__(self):
        for field in ("rotation", "centre", "focal", "principal", "radial", "tangential"):
            # Parameters stay float64 so that no notation loses digits on its way here.
            object.__setattr__(self, field, getattr(self, field).detach().cpu().double())
        R = self.rotation
        if not torch.allclose(R @ R.mT, torch.eye(3).double(), atol=1e-4) or torch.det(R) < 0:
            raise ValueError(f"camera {self.name}: {R.tolist()} is not a rotation")

    def world_to_camera(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """World points (mm) in camera coordinates (mm)."""
        return (points - self.centre.to(points)) @ self.rotation.mT.to(points)

    def project(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
        """Pixels of camera points (mm), through the lens.

        Points behind the camera get pixels as well: look at the sign of their z.
        """
        (fx, fy), (cx, cy) = self.focal.tolist(), self.principal.tolist()
        (k1, k2, k3), (p1, p2) = self.radial.tolist(), self.tangential.tolist()
        x, y = points[..., 0] / points[..., 2], points[..., 1] / points[..., 2]
        r2 = x * x + y * y
        s = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)) + p1 * y + p2 * x
        u, v = s * x + p2 * r2, s * y + p1 * r2
        return torch.stack([fx * u + cx, fy * v + cy], dim=-1)

    def back_project_pinhole(
        self, pixels: Float[Tensor, "*batch 2"], depth: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch 3"]:
        """Camera points (mm) at `pixels` and `depth` (their z, mm), without the lens's distortion."""
        rays = (pixels - self.principal.to(pixels)) / self.focal.to(pixels)
        return torch.cat([rays * depth[..., None], depth[..., None]], dim=-1)

    @classmethod
    def from_numbers(
        cls,
        name: str,
        rotation: Any,
        centre: Any,
        focal: Any,
        principal: Any,
        radial: Any = (0, 0, 0),
        tangential: Any = (0, 0),
        size: tuple[int, int] = (0, 0),
    ) -> "Camera":
        """From lists, arrays or column vectors; ValueError for another number of values."""
        R, T = _numbers(rotation, 3, 3), _numbers(centre, 3)
        focal, principal = _numbers(focal, 2), _numbers(principal, 2)
        return cls(name, R, T, focal, principal, _numbers(radial, 3), _numbers(tangential, 2), size)

    @classmethod
    def from_videopose3d(cls, intrinsics: Mapping, extrinsics: Mapping) -> "Camera":
        """From VideoPose3D's two dicts (Pavllo et al., 2019).

        `orientation` is the quaternion (w, x, y, z) from camera to world, `translation` the centre
        in mm, `tangential_distortion` (p2, p1): the reverse of Human3.6M's metadata.
        """
        _need(intrinsics, "id center focal_length radial_distortion tangential_distortion")
        _need(extrinsics, "orientation translation")
        w, x, y, z = extrinsics["orientation"]
        quaternion = torch.tensor([x, y, z, w], dtype=torch.float64)
        p2, p1 = intrinsics["tangential_distortion"]
        return cls.from_numbers(
            name=str(intrinsics["id"]),
            rotation=roma.unitquat_to_rotmat(quaternion / quaternion.norm()).mT,
            centre=extrinsics["translation"],
            focal=intrinsics["focal_length"],
            principal=intrinsics["center"],
            radial=intrinsics["radial_distortion"],
            tangential=(p1, p2),
            size=(int(intrinsics.get("res_w", 0)), int(intrinsics.get("res_h", 0))),
        )

    @classmethod
    def from_martinez(cls, entry: Sequence) -> "Camera":
        """From (R, T, f, c, k, p, name) of Martinez et al. (ICCV 2017) and EvoSkeleton.

        Their X_camera = R (X - T), T the centre in mm. The picture's size is known for Human3.6M's
        cameras, (0, 0) else.
        """
        if len(entry) != 7:
            raise ValueError(f"a camera is (R, T, f, c, k, p, name), not {len(entry)} things")
        name = str(entry[6])
        return cls.from_numbers(name, *entry[:6], size=_size(name))

    @classmethod
    def from_3dmppe(cls, entry: Mapping, name: str) -> "Camera":
        """From Moon et al.'s released Human3.6M json: X_camera = R X + t, t in mm.

        It has no distortion, and its papers use none; HUMAN36M_INTRINSICS[name].at(camera.rotation,
        camera.centre) puts the lens back. `name` is not in the entry: cameras 1 to 4 are in the
        order of HUMAN36M_INTRINSICS.
        """
        _need(entry, "R t f c")
        rotation = _numbers(entry["R"], 3, 3)
        centre = -rotation.mT @ _numbers(entry["t"], 3)
        return cls.from_numbers(name, rotation, centre, entry["f"], entry["c"], size=_size(name))


def _numbers(values: Any, *shape: int) -> Tensor:
    """`values` (lists, arrays, column vectors) as a float64 tensor, so that no digits are lost."""
    tensor = torch.as_tensor(values, dtype=torch.float64).detach().cpu()
    if tensor.squeeze().shape != shape:
        raise ValueError(f"expected {shape} numbers of a camera, got {tuple(tensor.shape)}")
    return tensor.reshape(shape)


def _need(entry: Mapping, keys: str) -> None:
    if missing := [key for key in keys.split() if key not in entry]:
        raise ValueError(f"a camera lacks {missing}; it has {sorted(entry)}")


def _size(name: str) -> tuple[int, int]:
    return HUMAN36M_INTRINSICS[name].size if name in HUMAN36M_INTRINSICS else (0, 0)
