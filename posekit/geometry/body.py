"""Bodies in SMPL's format: shaped, posed by linear blend skinning, and fitted to a skeleton.

The model is SMPL's (Loper et al., "SMPL: a skinned multi-person linear model", 2015). A body at
rest is a mean and shape directions (its Eq. 8), its joints are regressed from it (Eq. 10), pose
directions correct it (Eq. 9; the bundled body has none, its elbows and knees fold plainly), and
each vertex follows a blend of its bones (Eqs. 2-4):

    v' = sum_b w_b (G_b v),  G_b = prod_{a above b} [R_a | j_a - j_parent(a)],  relative to rest.

`free()` is the bundled body: MakeHuman's, free to use and change (posekit/geometry/bodies/NOTICE),
on SMPL's tree of 24 joints and with ten shape components of unit variance. `load` reads any file
with SMPL's keys. Both are used alike.

Poses are rotation matrices relative to the parent joint, the root's to the world. Other notations
become matrices through `roma`:

    roma.rotvec_to_rotmat(pose.view(-1, 24, 3))            # SMPL's own rotation vectors
    roma.special_gramschmidt(pose.view(-1, 24, 3, 2))      # SPIN's 6D: two columns, interleaved
    roma.special_gramschmidt(pose.view(-1, 24, 2, 3).mT)   # HMR 2.0's 6D: one column, then another

Millimetres. At rest x is left, y up and z forward: a T pose with the arms along x. On a CPU a body
comes out the same, bit by bit, whatever others are in its batch.

Dimensions: B bodies, V vertices, F faces, S shape components, P pose directions, K joints of a
skeleton.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from posekit.geometry import body_files
from posekit.geometry.skeleton import H36M17, SMPL24, SPIN24, Skeleton, convert

MM = 1000.0
FIT_NOISE = 10.0  # mm: how far a skeleton's offsets may lie from those of any shape; see `tailor`
SHORT = 40.0  # mm: bones much longer than this stretch wholly in `tailor`, shorter ones less
TOLERANCE = 0.02  # of rotation matrices; those rounded to two decimals pass

# The rows of GraphCMR's J_regressor_extra
EXTRA = ("nose", "right_eye", "left_eye", "right_ear", "left_ear", "right_hip", "left_hip", "neck")
EXTRA += ("head_top", "pelvis", "mid_shoulders", "spine", "neck_nose", "head")


@dataclass(frozen=True)
class Rest:
    """Bodies of some shape in the T pose, mm."""

    vertices: Float[Tensor, "B V 3"]
    joints: Float[Tensor, "B 24 3"]


@dataclass(frozen=True)
class Posed:
    """Posed bodies, mm; `transforms` move each bone from its place at rest to its posed place."""

    vertices: Float[Tensor, "B V 3"]
    joints: Float[Tensor, "B 24 3"]
    transforms: Float[Tensor, "B 24 4 4"]


@dataclass(frozen=True, eq=False)
class Body:
    """A body model, from `free` or `load`."""

    name: str
    faces: Int64[Tensor, "F 3"]  # outward side: counter-clockwise
    parts: UInt8[Tensor, " F"]  # 1 left arm, 2 right arm, 3 head, 4 left leg, 5 right leg, 6 torso
    weights: Float[Tensor, "V 24"]
    regressors: dict[str, Tensor]  # by skeleton name, (K, V)
    template: Float[Tensor, "V 3"]
    shape_directions: Float[Tensor, "S V 3"]
    pose_directions: Float[Tensor, "P V 3"] | None
    joint_template: Float[Tensor, "24 3"]
    joint_directions: Float[Tensor, "S 24 3"]
    parents: tuple[int, ...] = SMPL24.parents

    @property
    def shapes(self) -> int:
        """Number of shape components."""
        return len(self.shape_directions)

    def to(self, *args, **kwargs) -> "Body":
        """The body on another device or in another float type, as `Tensor.to`."""
        like = self.weights.to(*args, **kwargs)
        changed = {"regressors": {k: v.to(like) for k, v in self.regressors.items()}}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                own = like.dtype if value.is_floating_point() else value.dtype
                changed[field.name] = value.to(like.device, own)
        return replace(self, **changed)

    def rest(self, shape: Float[Tensor, "B S"], *, check: bool = True) -> Rest:
        """Bodies of these shapes in the T pose; missing coefficients count as zero.

        ValueError for another shape or type than the body's, too many coefficients, or any that are
        not finite; without `check` values are not looked at, for which a GPU has to wait.
        """
        _check_shape("shape", shape, ("B", "S"), "one person's S coefficients are shape[None]")
        self._check_type("shape", shape)
        count = shape.shape[1]
        if count > self.shapes:
            raise ValueError(f"{self.name} has {self.shapes} shapes, not {count}")
        if check:
            _check_finite("shape", shape)
        return Rest(
            self.template + _sum(shape, self.shape_directions[:count]),
            self.joint_template + _sum(shape, self.joint_directions[:count]),
        )

    def pose(
        self,
        rest: Rest,
        rotations: Float[Tensor, "B 24 3 3"],
        translation: Float[Tensor, "B 3"],
        *,
        check: bool = True,
    ) -> Posed:
        """Rest bodies (B of them, or one for all) turned by `rotations`, the root joint put at
        `translation`. No poses give no bodies: B may be 0.

        ValueError for other shapes or types, NaN or infinity, matrices that are not rotations to
        within `TOLERANCE` (zeros, scaled or mirrored ones), or rest bodies of another number or
        model. Without `check` values are not looked at.
        """
        if not (isinstance(rotations, Tensor) and rotations.shape[1:] == (24, 3, 3)):
            _check_shape("rotations", rotations, ("B", 24, 3, 3), _remedy(rotations))
        self._check_type("rotations", rotations)
        _check_shape("translation", translation, (len(rotations), 3), "one place per pose, mm")
        if check:
            _check_rotations(rotations)
            _check_finite("translation", translation)
        self._check_type("the rest body", rest.vertices)
        if len(rest.vertices) not in (1, len(rotations)):
            raise ValueError(f"{len(rest.vertices)} rest bodies for {len(rotations)} poses")
        vertices, count = rest.vertices, len(self.template)
        if vertices.shape[1] != count:
            raise ValueError(f"{self.name} has {count} vertices, the rest body {vertices.shape[1]}")
        if self.pose_directions is not None:
            eye = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
            vertices = vertices + _sum((rotations[:, 1:] - eye).flatten(1), self.pose_directions)
        world = self._chain(rest.joints, rotations, translation)
        turned = world[..., :3, :3] @ rest.joints[..., None]
        transforms = world.clone()
        transforms[..., :3, 3] = world[..., :3, 3] - turned[..., 0]
        blend = transforms[:, :, :3].flatten(2).mT  # (B, 12, 24)
        m = _matmul(blend, self.weights.T).unflatten(1, (3, 4))
        x, y, z = vertices.unbind(-1)
        moved = m[:, :, 0] * x[:, None] + m[:, :, 1] * y[:, None] + m[:, :, 2] * z[:, None]
        return Posed((moved + m[:, :, 3]).mT.contiguous(), world[..., :3, 3], transforms)

    def __call__(
        self,
        rotations: Float[Tensor, "B 24 3 3"],
        shape: Float[Tensor, "B S"],
        translation: Float[Tensor, "B 3"],
        *,
        check: bool = True,
    ) -> Posed:
        """`pose` the `rest` bodies of these shapes."""
        return self.pose(self.rest(shape, check=check), rotations, translation, check=check)

    def joints(
        self, vertices: Float[Tensor, "B V 3"], skeleton: Skeleton
    ) -> Float[Tensor, "B K 3"]:
        """A skeleton's joints, regressed from posed vertices.

        By the skeleton's own regressor, else by one whose joints include all of the skeleton's
        (`skeleton.convert`). ValueError names the joints that no regressor has.
        """
        if skeleton.name in self.regressors:
            return _matmul(self.regressors[skeleton.name], vertices)
        lacking = set(skeleton.joints)
        for source in (SPIN24, H36M17, SMPL24):
            if source.name in self.regressors:
                joints = _matmul(self.regressors[source.name], vertices)
                pose, missing = convert(joints, source, skeleton)
                if not missing:
                    return pose
                lacking &= set(missing)
        raise ValueError(
            f"{self.name} has no regressor for {skeleton.name}: none of its own holds "
            f"{', '.join(sorted(lacking)) or 'all its joints'}; load the body with one"
        )

    def tailor(self, offsets: Float[Tensor, "24 3"]) -> tuple[Float[Tensor, " S"], Rest]:
        """The shape nearest to a skeleton, and that body at rest, warped to fit it exactly.

        `offsets` are joints in their parent's frame at rest, mm, the root's is ignored. The shape
        is the most probable one for unit-variance coefficients and offsets that err by `FIT_NOISE`:
        ridge regression. The warp maps each bone b by v -> t_b + L_b (v - j_b), with t_b the new
        place of its joint. L_b maps its children's old offsets to the new ones and is otherwise the
        identity (a ridge again, so that bones of a few millimetres stretch nothing). Vertices blend
        these maps by their skinning weights. The joints of the result lie exactly at the offsets.
        ValueError for offsets that are not finite.
        """
        _check_finite("offsets", offsets)
        parents = torch.tensor(self.parents[1:], device=offsets.device)
        own = self.joint_template[1:] - self.joint_template[parents]
        slopes = (self.joint_directions[:, 1:] - self.joint_directions[:, parents]).flatten(1)
        ridge = FIT_NOISE**2 * torch.eye(self.shapes, dtype=slopes.dtype, device=slopes.device)
        gap = (offsets[1:] - own).flatten()
        shape = torch.linalg.solve(slopes @ slopes.T + ridge, slopes @ gap)
        rest = self.rest(shape[None])
        old = rest.joints[0]
        places = [old[0]]
        for joint, parent in enumerate(self.parents[1:], start=1):
            places.append(places[parent] + offsets[joint])
        new = torch.stack(places)
        eye = torch.eye(3, dtype=old.dtype, device=old.device)
        maps = []
        for bone in range(len(self.parents)):
            children = [j for j, parent in enumerate(self.parents) if parent == bone]
            before = old[children] - old[bone]
            change = offsets[children] - before
            spread = before.T @ before + SHORT**2 * eye
            maps.append(eye + change.T @ torch.linalg.solve(spread, before.T).T)
        linear = torch.stack(maps)
        constant = new - (linear @ old[..., None])[..., 0]
        blend = self.weights @ torch.cat([linear.flatten(1), constant], dim=1)
        vertices = (blend[:, :9].view(-1, 3, 3) @ rest.vertices[0, :, :, None])[..., 0]
        return shape, Rest((vertices + blend[:, 9:])[None], new[None])

    def _check_type(self, what: str, tensor: Tensor) -> None:
        own = self.weights
        if tensor.dtype != own.dtype or tensor.device != own.device:
            raise ValueError(
                f"{what} must be {own.dtype} on {own.device} as {self.name} is, not {tensor.dtype} "
                f"on {tensor.device}: convert it with .to(body.weights), or the body with .to()"
            )

    def _chain(self, joints: Tensor, rotations: Tensor, translation: Tensor) -> Tensor:
        """Each bone's frame in the world (B, 24, 4, 4): its rotation and its joint's place."""
        parents = list(self.parents[1:])
        local = rotations.new_zeros(*rotations.shape[:2], 4, 4)
        local[..., :3, :3] = rotations
        local[:, 0, :3, 3] = translation
        local[:, 1:, :3, 3] = joints[:, 1:] - joints[:, parents]
        local[..., 3, 3] = 1
        steps = local.unbind(1)
        world = [steps[0]]
        for step, parent in zip(steps[1:], parents, strict=True):
            world.append(world[parent] @ step)
        return torch.stack(world, dim=1)


@cache
def free(full: bool = False) -> Body:
    """The bundled body: 1,229 vertices, or 13,718 with `full`; equal shapes are equal people."""
    name = "free_full" if full else "free"
    return replace(load(Path(body_files.__file__).parent / "bodies" / f"{name}.npz"), name=name)


def load(
    path: str | Path,
    regressors: Mapping[Skeleton, str | Path] | None = None,
    extra: str | Path | None = None,
) -> Body:
    """A body from an npz file with SMPL's keys, in metres (see `body_files`).

    `regressors` names .npy files (K, V) by the skeleton of their joints, such as
    `{H36M17_LEFT_FIRST: "J_regressor_h36m.npy"}`. `extra` names GraphCMR's J_regressor_extra.npy
    (14, V) (Kolotouros et al., CVPR 2019): with the model's own joints it makes SPIN's 24, all
    regressed from vertices as GraphCMR does (SPIN reads limbs off the rig and picks vertices for
    the face). FileNotFoundError, or ValueError that names the file, the key and the remedy, when
    something is missing, does not fit or is not finite.
    """
    arrays = body_files.read(path)
    template = arrays["v_template"] * MM
    directions = np.moveaxis(arrays["shapedirs"], 2, 0) * MM
    regressor, posedirs = arrays["J_regressor"], arrays.get("posedirs")
    by_name = {SMPL24.name: regressor}
    for key, rows in arrays.items():
        if key.startswith(body_files.REGRESSOR):
            by_name[key.removeprefix(body_files.REGRESSOR)] = rows
    for skeleton, file in (regressors or {}).items():
        by_name[skeleton.name] = body_files.read_regressor(file, len(skeleton), len(template))
    if extra is not None:
        rows = body_files.read_regressor(extra, len(EXTRA), len(template))
        row_of = dict(zip(SMPL24.joints + EXTRA, [*regressor, *rows], strict=True))
        by_name[SPIN24.name] = np.stack([row_of[joint] for joint in SPIN24.joints])
    return Body(
        name=Path(path).stem,
        faces=torch.from_numpy(arrays["f"]),
        parts=torch.from_numpy(body_files.label(arrays["f"], arrays["weights"])),
        weights=_float32(arrays["weights"]),
        regressors={name: _float32(rows) for name, rows in by_name.items()},
        template=_float32(template),
        shape_directions=_float32(directions),
        pose_directions=None if posedirs is None else _float32(np.moveaxis(posedirs, 2, 0) * MM),
        joint_template=_float32(regressor @ template),
        joint_directions=_float32(regressor @ directions),
    )


def _float32(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _check_shape(what: str, tensor: Tensor, wanted: tuple[int | str, ...], remedy: str) -> None:
    """ValueError for another shape than `wanted`, where letters stand for any number."""
    shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else ()
    if len(shape) != len(wanted) or any(
        isinstance(size, int) and size != own for size, own in zip(wanted, shape, strict=True)
    ):
        form = f"of shape {shape}" if isinstance(tensor, Tensor) else f"a {type(tensor).__name__}"
        sizes = ", ".join(map(str, wanted))
        raise ValueError(f"{what} must be a tensor ({sizes}), but is {form}: {remedy}")


def _remedy(rotations: Tensor) -> str:
    """How these may become rotations (B, 24, 3, 3)."""
    shape = tuple(getattr(rotations, "shape", ()))
    if shape == (24, 3, 3):
        return "one pose is rotations[None]"
    if len(shape) == 4 and shape[2:] == (3, 3):
        return (
            "take a body's 24 SMPL joints; of SMPL-H's and SMPL-X's the first 22 are the same, the "
            "two missing hands may have the identity, torch.eye(3)"
        )
    return (
        "rotation vectors x become matrices by roma.rotvec_to_rotmat(x.view(-1, 24, 3)), SPIN's 6D "
        "by roma.special_gramschmidt(x.view(-1, 24, 3, 2)), numpy's arrays tensors by "
        "torch.from_numpy"
    )


def _check_rotations(rotations: Tensor) -> None:
    """ValueError for matrices that are not finite, not orthogonal, or mirror."""
    matrices = rotations.detach()
    x, y, z = matrices.unbind(-1)
    eye = torch.eye(3, dtype=matrices.dtype, device=matrices.device)
    gap = torch.cat([matrices.mT @ matrices - eye, (torch.linalg.cross(x, y) - z)[..., None]], -1)
    near = gap.abs() < TOLERANCE
    if not near.all():
        _check_finite("rotations", rotations)
        pose, joint = (~near).flatten(2).any(-1).nonzero()[0].tolist()
        raise ValueError(
            f"rotations[{pose}, {joint}] is no rotation matrix: its columns must be orthogonal, of "
            f"length 1 and not mirrored, to within {TOLERANCE}; roma.special_gramschmidt("
            "rotations[..., :2]) makes rotations of nearby matrices"
        )


def _check_finite(what: str, tensor: Tensor) -> None:
    if not tensor.isfinite().all():
        raise ValueError(f"{what} must be finite, without NaN and infinity")


def _sum(
    coefficients: Float[Tensor, "B S"], directions: Float[Tensor, "S N 3"]
) -> Float[Tensor, "B N 3"]:
    """The sum of directions, each times its coefficient."""
    return _matmul(coefficients[:, None], directions.flatten(1)).view(-1, *directions.shape[1:])


def _matmul(left: Tensor, right: Tensor) -> Tensor:
    """`left @ right` where either has a batch axis. On a CPU each product is computed alone: BLAS
    rounds differently with the number of rows, and a body must not depend on its neighbours."""
    if left.device.type != "cpu" or 0 in (len(left), len(right)):
        return left @ right
    if left.dim() == 3:
        return torch.stack([one @ right for one in left])
    return torch.stack([left @ one for one in right])
