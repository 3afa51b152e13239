"""Networks of every kind as `posekit predict` uses them: from their output to people in a picture.

| kind | where the joints are from | what is not known |
|---|---|---|
| integral | x and y of the cube in the crop, z behind the root, whose depth is the pinhole rule's | |
| heatmaps | the highest cell of each heatmap, moved a quarter of a cell | joints3d, depth |
| mesh | the body posed and regressed; its depth is from the scale that the network sees | |

Lifters see no picture: `posekit.inference.lifting`. B people, J joints, S x S pixels of a crop.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from posekit.geometry.body import Body, free
from posekit.geometry.camera import Camera
from posekit.geometry.skeleton import COCO17, H36M17, LSP14, MOON18, MPII16, MUCO21, Skeleton
from posekit.inference import blazepose as blazepose_file
from posekit.inference.localise import (
    BodyPose,
    Crops,
    Person,
    PoseNetwork,
    Window,
    root_depth,
)
from posekit.inference.predictor import Predictor
from posekit.metrics import mesh
from posekit.models.heatmaps import highest, quarter_shift
from posekit.models.hmr import Estimate, intrinsics
from posekit.models.integral import from_cube

SKELETONS: Mapping[str, Sequence[Skeleton]] = {
    "integral": (H36M17, MOON18, MUCO21),
    "heatmaps": (MPII16, LSP14),
}
"""By kind, where a network does not say its own: the one with as many joints as it has."""

SMALLEST = 0.05  # scale of a body, half crops a metre; people fill crops at about 0.9
PINHOLE = (
    "a person's box, cut at the picture's edges, made square and widened by 1.25, shows 2000 mm x "
    "2000 mm at the depth of the root (RootNet's pinhole rule, without its network): who sits, bends "
    "or is seen in part comes out too far away"
)
BODY = (
    "the depth of a body is from the scale that the network sees it in; it is turned as it appears in "
    "the crop, whatever its place in the picture"
)


def pose_network(predictor: Predictor, body: Body | None = None) -> PoseNetwork:
    """A network that sees pictures, ready for `locate`. `body` is for one that predicts bodies: by
    default the bundled one. ValueError for a network of another kind, or of another output."""
    makers = {"integral": _integral, "heatmaps": _heatmaps}
    side = predictor.shape[-1]
    if predictor.kind not in (*makers, "mesh") or predictor.shape != (3, side, side):
        raise ValueError(
            f"{predictor.name} is a network of kind {predictor.kind!r} for inputs of shape "
            f"{predictor.shape}: one that sees square pictures is wanted; a lifter takes a json or "
            "csv file of 2D joints in the place of a picture"
        )
    if predictor.kind == "mesh":
        return _mesh(predictor, body or free())
    return makers[predictor.kind](predictor)


def blazepose() -> PoseNetwork:
    """BlazePose's network of joints (`posekit.inference.blazepose`), for comparison: it was made from
    photographs. FileNotFoundError, ModuleNotFoundError and ValueError as its file is opened."""
    path = blazepose_file.weights(blazepose_file.LANDMARKS)
    networks = [blazepose_file.opened(each) for each in (blazepose_file.weights(), path)]
    hips = [COCO17.index("left_hip"), COCO17.index("right_hip")]

    def people(crops: Crops, windows: Sequence[Window], camera: Camera) -> list[Person]:
        found = []
        for crop, window in zip(crops, windows, strict=True):
            points = blazepose_file.keypoints(*networks, crop.permute(1, 2, 0).numpy())
            seen, space = map(torch.from_numpy, points)
            pixels = window.in_picture(seen.double())
            depth = torch.tensor([root_depth(camera, window.side**2)]).double()
            root = camera.back_project_pinhole(pixels[hips].mean(0, keepdim=True), depth)
            joints3d = space + root
            depth = joints3d[COCO17.root, 2].item()
            found.append(_person(window, depth, pixels, joints3d))
        return found

    return PoseNetwork(
        name="BlazePose",
        kind="landmarks",
        weights=path,
        skeleton=COCO17,
        side=blazepose_file.CROP,
        people=people,
        assumptions=(PINHOLE,),
    )


def _integral(predictor: Predictor) -> PoseNetwork:
    side = predictor.shape[-1]

    def people(crops: Crops, windows: Sequence[Window], camera: Camera) -> list[Person]:
        cube = _finite(predictor, predictor.predict(crops)).double()
        found = []
        for place, behind, window in zip(*from_cube(cube, (side, side)), windows, strict=True):
            pixels = window.in_picture(place)
            depth = root_depth(camera, window.side**2)
            joints3d = camera.back_project_pinhole(pixels, behind + depth)
            found.append(_person(window, depth, pixels, joints3d))
        return found

    joints = predictor(torch.zeros(1, *predictor.shape)).shape[1]
    skeleton = skeleton_of(predictor, joints)
    return PoseNetwork(**_about(predictor, people), skeleton=skeleton, assumptions=(PINHOLE,))


def _heatmaps(predictor: Predictor) -> PoseNetwork:
    side = predictor.shape[-1]

    def people(crops: Crops, windows: Sequence[Window], camera: Camera) -> list[Person]:
        maps = _finite(predictor, predictor.predict(crops)[:, -1]).double()  # of the last stack
        places = quarter_shift(maps, side / maps.shape[-1]) + maps.new_tensor(predictor.offset)
        scores = highest(maps)[1].float()
        return [
            _person(window, None, window.in_picture(place), None, scores=score)
            for place, score, window in zip(places, scores, windows, strict=True)
        ]

    joints = predictor(torch.zeros(1, *predictor.shape)).shape[2]
    return PoseNetwork(**_about(predictor, people), skeleton=skeleton_of(predictor, joints))


def _mesh(predictor: Predictor, body: Body) -> PoseNetwork:
    side = predictor.shape[-1]

    def people(crops: Crops, windows: Sequence[Window], camera: Camera) -> list[Person]:
        seen = Estimate(*(_finite(predictor, part) for part in predictor.predict(crops)))
        posed = body(seen.rotations, seen.shape, torch.zeros(len(crops), 3))
        around = mesh.joints(body, posed.vertices)  # mm from the root joint
        lens = intrinsics(len(crops), (side, side))
        pixels = _projected(around + seen.translation[:, None], lens).double()
        roots = _projected(seen.translation[:, None], lens).double()
        found = []
        for k, window in enumerate(windows):
            scale = seen.camera[k, 0].item()  # half crops a metre
            if scale < SMALLEST:
                raise ValueError(
                    f"{predictor.name} sees a body at scale {scale:.3g}, so that its crop would be "
                    f"more than {2 / SMALLEST:.0f} m wide: was it trained to the end?"
                )
            depth = torch.tensor([2000 * camera.focal[0] / (scale * window.side)])
            root = camera.back_project_pinhole(window.in_picture(roots[k]), depth.double()).float()
            joints3d = around[k] + root
            surface = BodyPose(seen.shape[k], seen.rotations[k], posed.vertices[k] + root)
            depth = joints3d[H36M17.root, 2].item()
            joints2d = window.in_picture(pixels[k])
            found.append(_person(window, depth, joints2d, joints3d, body=surface))
        return found

    sentence = f"{BODY}; its surface is that of the body model {body.name!r}"
    about = _about(predictor, people)
    return PoseNetwork(**about, skeleton=H36M17, assumptions=(sentence,), body=body)


def _about(predictor: Predictor, people: Callable) -> dict:
    """The fields of a `PoseNetwork` that all kinds have alike."""
    same = {name: getattr(predictor, name) for name in ("name", "kind", "weights", "note")}
    return same | {"side": predictor.shape[-1], "people": people}


def skeleton_of(predictor: Predictor, joints: int) -> Skeleton:
    """The order of a network's joints: its own where it says it, else by their number."""
    known = [predictor.skeleton] if predictor.skeleton else SKELETONS[predictor.kind]
    for skeleton in known:
        if len(skeleton) == joints:
            return skeleton
    numbers = ", ".join(f"{len(each)} ({each.name})" for each in known)
    raise ValueError(f"{predictor.name} has {joints} joints; {numbers} are known")


def _person(window: Window, depth: float | None, joints2d, joints3d, **more) -> Person:
    box = tuple(map(float, window.found.box))
    joints3d = None if joints3d is None else joints3d.float()
    return Person(box, window.found.score, depth, joints2d.float(), joints3d, **more)


def _projected(
    points: Float[Tensor, "B J 3"], lens: Float[Tensor, "B 3 3"]
) -> Float[Tensor, "B J 2"]:
    """Pixels of points before a camera without distortion."""
    seen = points @ lens.mT
    return seen[..., :2] / seen[..., 2:]


def _finite(predictor: Predictor, output: Tensor) -> Tensor:
    if not output.isfinite().all():
        raise ValueError(
            f"{predictor.name} predicts numbers that are not finite: was it trained to the end?"
        )
    return output
