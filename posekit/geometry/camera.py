"""A calibrated camera, with Human3.6M's own lens model, read from the four notations people have.

World: millimetres, z up. Camera: millimetres, x right, y down, z forward. Pictures: pixels from the
upper left corner. Points come in any batch shape and float type and leave in the same.

The lens (Human3.6M's release code, also Martinez et al., 2017): with x = X/Z, y = Y/Z,
r^2 = x^2 + y^2, s = 1 + k1 r^2 + k2 r^4 + k3 r^6 + p1 y + p2 x,

    u = fx (s x + p2 r^2) + cx,    v = fy (s y + p1 r^2) + cy.

OpenCV's model has the same form but twice the p in the mixed terms (2 p1 x y where this has
p1 x y), so OpenCV's functions must not be given these coefficients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# Of Newton's method, in units of the focal length, some 1100 px. Three steps do inside a picture.
NEWTON_STEPS = 8
CONVERGED = 1e-11
LOST = 1e-7


@dataclass(frozen=True)
class Intrinsics:
    """What a camera is, wherever it stands."""

    name: str
    focal: tuple[float, float]  # px
    principal: tuple[float, float]  # px
    radial: tuple[float, float, float] = (0.0, 0.0, 0.0)  # k1, k2, k3
    tangential: tuple[float, float] = (0.0, 0.0)  # p1, p2
    size: tuple[int, int] = (0, 0)  # width, height, px

    def at(self, rotation: Any, centre: Any) -> "Camera":
        """The camera standing at `centre` (world, mm), its rotation world to camera."""
        return Camera(
            name=self.name,
            rotation=_numbers(rotation, 3, 3),
            centre=_numbers(centre, 3),
            focal=_numbers(self.focal, 2),
            principal=_numbers(self.principal, 2),
            radial=_numbers(self.radial, 3),
            tangential=_numbers(self.tangential, 2),
            size=self.size,
        )


HUMAN36M_INTRINSICS = {
    camera.name: camera
    for camera in (
        Intrinsics(
            "54138969",
            (1145.0494, 1143.7811),
            (512.5415, 515.4515),
            (-0.207099, 0.247775, -0.003075),
            (-0.001424, -0.000976),
            (1000, 1002),
        ),
        Intrinsics(
            "55011271",
            (1149.6757, 1147.5917),
            (508.8486, 508.0649),
            (-0.194214, 0.240409, 0.006820),
            (-0.002741, -0.001619),
            (1000, 1000),
        ),
        Intrinsics(
            "58860488",
            (1149.1407, 1148.7990),
            (519.8158, 501.4026),
            (-0.208338, 0.255488, -0.002460),
            (-0.000760, 0.001484),
            (1000, 1000),
        ),
        Intrinsics(
            "60457274",
            (1145.5114, 1144.7739),
            (514.9683, 501.8820),
            (-0.198384, 0.218324, -0.008948),
            (-0.001813, -0.000587),
            (1000, 1002),
        ),
    )
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

    def camera_to_world(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """Camera points (mm) in world coordinates (mm)."""
        return points @ self.rotation.to(points) + self.centre.to(points)

    def project(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
        """Where camera points (mm) appear in the picture (px), through the lens.

        Nothing says whether a point is behind the camera: look at the sign of its z.
        """
        x, y = points[..., 0] / points[..., 2], points[..., 1] / points[..., 2]
        return self._pixels(*self._distort(x, y))

    def project_pinhole(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
        """As `project`, without the lens's distortion."""
        return self._pixels(points[..., 0] / points[..., 2], points[..., 1] / points[..., 2])

    def back_project(
        self, pixels: Float[Tensor, "*batch 2"], depth: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch 3"]:
        """Camera points (mm) that `project` to `pixels` at `depth` (their z, mm).

        Solved in float64 by Newton's method. NaN where no ray meets the pixel, which happens only
        far outside the picture, and where a pixel is NaN.
        """
        (fx, fy), (cx, cy) = self.focal.tolist(), self.principal.tolist()
        u, v = pixels.double().unbind(-1)
        x, y = self._undistort((u - cx) / fx, (v - cy) / fy)
        return torch.stack([x * depth, y * depth, depth], dim=-1).to(pixels.dtype)

    def back_project_pinhole(
        self, pixels: Float[Tensor, "*batch 2"], depth: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch 3"]:
        """As `back_project`, without the lens's distortion."""
        rays = (pixels - self.principal.to(pixels)) / self.focal.to(pixels)
        return torch.cat([rays * depth[..., None], depth[..., None]], dim=-1)

    @classmethod
    def from_videopose3d(cls, intrinsics: Mapping, extrinsics: Mapping) -> "Camera":
        """From VideoPose3D's two dicts (Pavllo et al., 2019).

        `orientation` is the quaternion (w, x, y, z) from camera to world, `translation` the centre
        in mm, `tangential_distortion` (p2, p1): the reverse of Human3.6M's metadata.
        """
        _need(intrinsics, "id center focal_length radial_distortion tangential_distortion")
        _need(extrinsics, "orientation translation")
        p2, p1 = intrinsics["tangential_distortion"]
        return cls(
            name=str(intrinsics["id"]),
            rotation=_from_quaternion(extrinsics["orientation"]).mT,
            centre=_numbers(extrinsics["translation"], 3),
            focal=_numbers(intrinsics["focal_length"], 2),
            principal=_numbers(intrinsics["center"], 2),
            radial=_numbers(intrinsics["radial_distortion"], 3),
            tangential=_numbers((p1, p2), 2),
            size=(int(intrinsics.get("res_w", 0)), int(intrinsics.get("res_h", 0))),
        )

    @classmethod
    def from_martinez(cls, entry: Sequence) -> "Camera":
        """From (R, T, f, c, k, p, name) of Martinez et al. (ICCV 2017) and EvoSkeleton.

        Their X_camera = R (X - T), T the centre in mm. The picture's size is not in it: it is known
        for Human3.6M's cameras, (0, 0) else.
        """
        if len(entry) != 7:
            raise ValueError(f"a camera is (R, T, f, c, k, p, name), not {len(entry)} things")
        rotation, centre, focal, principal, radial, tangential, name = entry
        return cls(
            name=str(name),
            rotation=_numbers(rotation, 3, 3),
            centre=_numbers(centre, 3),
            focal=_numbers(focal, 2),
            principal=_numbers(principal, 2),
            radial=_numbers(radial, 3),
            tangential=_numbers(tangential, 2),
            size=_size(str(name)),
        )

    @classmethod
    def from_mmpose(cls, entry: Mapping) -> "Camera":
        """From an entry of MMPose's `cameras.pkl`: R camera to world, T the centre in metres."""
        _need(entry, "R T f c k p")
        name = str(entry.get("id", entry.get("name", "")))
        return cls(
            name=name,
            rotation=_numbers(entry["R"], 3, 3).mT,
            centre=_numbers(entry["T"], 3) * 1000,
            focal=_numbers(entry["f"], 2),
            principal=_numbers(entry["c"], 2),
            radial=_numbers(entry["k"], 3),
            tangential=_numbers(entry["p"], 2),
            size=(int(entry["w"]), int(entry["h"])) if {"w", "h"} <= set(entry) else _size(name),
        )

    @classmethod
    def from_3dmppe(cls, entry: Mapping, name: str) -> "Camera":
        """From Moon et al.'s released Human3.6M json: X_camera = R X + t, t in mm.

        It has no distortion, and its papers use none; HUMAN36M_INTRINSICS[name].at(camera.rotation,
        camera.centre) puts the lens back. `name` is not in the entry: cameras 1 to 4 are in the
        order of HUMAN36M_INTRINSICS.
        """
        _need(entry, "R t f c")
        rotation = _numbers(entry["R"], 3, 3)
        return cls(
            name=name,
            rotation=rotation,
            centre=-rotation.mT @ _numbers(entry["t"], 3),
            focal=_numbers(entry["f"], 2),
            principal=_numbers(entry["c"], 2),
            radial=torch.zeros(3).double(),
            tangential=torch.zeros(2).double(),
            size=_size(name),
        )

    def _pixels(self, x: Float[Tensor, "*batch"], y: Float[Tensor, "*batch"]) -> Tensor:
        (fx, fy), (cx, cy) = self.focal.tolist(), self.principal.tolist()
        return torch.stack([fx * x + cx, fy * y + cy], dim=-1)

    def _distort(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        (k1, k2, k3), (p1, p2) = self.radial.tolist(), self.tangential.tolist()
        r2 = x * x + y * y
        s = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)) + p1 * y + p2 * x
        return s * x + p2 * r2, s * y + p1 * r2

    def _undistort(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """The (x, y) that `_distort` brings to (u, v), NaN where none was found."""
        (k1, k2, k3), (p1, p2) = self.radial.tolist(), self.tangential.tolist()
        x, y = u, v
        for step in range(NEWTON_STEPS + 1):
            r2 = x * x + y * y
            s = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)) + p1 * y + p2 * x
            du, dv = s * x + p2 * r2 - u, s * y + p1 * r2 - v
            ds = 2 * (k1 + r2 * (2 * k2 + r2 * 3 * k3))  # the radial part's slope is (ds x, ds y)
            a, b = s + x * (ds * x + p2) + 2 * p2 * x, x * (ds * y + p1) + 2 * p2 * y
            c, d = y * (ds * x + p2) + 2 * p1 * x, s + y * (ds * y + p1) + 2 * p1 * y
            det = a * d - b * c
            off = torch.maximum(du.abs(), dv.abs())
            if step == NEWTON_STEPS or not (off > CONVERGED).any():
                break
            x, y = x - (d * du - b * dv) / det, y - (a * dv - c * du) / det
        # Past its fold the polynomial is no lens: it meets pixels there from the wrong side.
        found = (off < LOST) & (s > 0) & (det > 0)
        return x.masked_fill(~found, torch.nan), y.masked_fill(~found, torch.nan)


def _numbers(values: Any, *shape: int) -> Tensor:
    """`values` (lists, arrays, column vectors) as a float64 tensor of `shape`."""
    tensor = torch.as_tensor(values, dtype=torch.float64)
    if tensor.squeeze().shape != shape:
        raise ValueError(f"expected {shape} numbers of a camera, got {tuple(tensor.shape)}")
    return tensor.reshape(shape)


def _need(entry: Mapping, keys: str) -> None:
    if missing := [key for key in keys.split() if key not in entry]:
        raise ValueError(f"a camera lacks {missing}; it has {sorted(entry)}")


def _size(name: str) -> tuple[int, int]:
    return HUMAN36M_INTRINSICS[name].size if name in HUMAN36M_INTRINSICS else (0, 0)


def _from_quaternion(quaternion: Sequence[float]) -> Float[Tensor, "3 3"]:
    """The rotation matrix of (w, x, y, z), of any length but zero."""
    w, x, y, z = (_numbers(quaternion, 4) / _numbers(quaternion, 4).norm()).tolist()
    return torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ],
        dtype=torch.float64,
    )
