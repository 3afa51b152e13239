"""ONNX files of MobileHumanPose and 3DMPPE as posekit's own.

Their networks take numbers from 0 to 255, standardised as if up to 1, and give joints in voxels.
Two operations before and two after them make a file that takes RGB in [0, 1] and gives joints in
the cube (`posekit.models.integral`), as `posekit.inference.export` writes them.

B pictures, J joints, S x S pixels, D x h x w voxels.
"""

import json
from pathlib import Path

import numpy as np

from posekit.inference.export import package
from posekit.inference.published_layouts import OF_255, SKELETONS
from posekit.models.checkpoint import published_offset
from posekit.models.integral import BOX
from posekit.system import write_whole

LAYOUTS = ("mobilehumanpose", "3dmppe")
LARGEST = 1_000_000_000  # bytes
OUTPUT = "joints"  # the name by which posekit knows joints in the cube
MIXED = "posekit_"  # what the new names begin with


def convert(path: Path, layout: str, out: Path, digest: str) -> str:
    """Write the file `out`; a line on it.

    ValueError for a file whose input, output, volumes or values are not those of such a network, or
    that keeps numbers outside itself.
    """
    onnx, runtime = package("onnx"), package("onnxruntime")
    if (layout or LAYOUTS[0]) not in LAYOUTS:
        raise ValueError(f"no layout {layout!r} of ONNX files; there are {', '.join(LAYOUTS)}")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"more than {LARGEST:,} bytes")
    try:
        model = onnx.load(path, load_external_data=False)
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # neither library has a common one
        raise ValueError(f"it is damaged, or no ONNX file: {error}") from error
    (taken, *more), (made, *others) = session.get_inputs(), session.get_outputs()
    side, joints = taken.shape[-1], made.shape[-2:][0]
    if (
        more or others or taken.shape[1:] != [3, side, side] or type(side) is not int
        or len(made.shape) != 3 or made.shape[2] != 3 or joints not in SKELETONS
    ):  # fmt: skip
        raise ValueError(
            f"it takes {taken.shape} and gives {made.shape}; one that takes (B, 3, S, S) and gives "
            f"the voxels (B, J, 3) of {', '.join(map(str, SKELETONS))} joints can be converted"
        )
    depth, height, width = _volume(onnx, model.graph, joints)
    _check_range(session, taken, side, (width, height, depth))
    offset = published_offset(side, width, depth)
    sizes = np.array([width, height, depth])
    shift = 0.5 / sizes - 0.5 + np.array(offset) / (side, side, BOX)
    mean, deviation = (np.reshape(OF_255[key], (3, 1, 1)) for key in ("mean", "deviation"))
    _surround(onnx, model.graph, (1 / deviation, -mean / deviation), (1 / sizes, shift))
    about = {"origin": path.name, "source": digest, "skeleton": SKELETONS[joints]}
    onnx.helper.set_model_props(model, {"posekit": json.dumps(about)})
    write_whole(out, lambda part: part.write_bytes(model.SerializeToString()))
    return f"wrote {out}: integral network, {SKELETONS[joints]}, {side} px"


def _volume(onnx, graph, joints: int) -> tuple[int, int, int]:
    """D, h, w, from the shape (B, J, D, h, w) that a step of the graph gives its numbers."""
    constants = list(graph.initializer)
    constants += [a.t for n in graph.node if n.op_type == "Constant" for a in n.attribute]
    found = set()
    for constant in constants:
        if constant.dims == [5] and constant.data_type == onnx.TensorProto.INT64:
            _, count, *sizes = onnx.numpy_helper.to_array(constant).tolist()
            if count == joints and min(sizes) > 1:
                found.add(tuple(sizes))
    if len(found) != 1:
        raise ValueError(
            f"its volumes are of {len(found)} sizes; one (B, {joints}, D, h, w) is known"
        )
    return found.pop()


def _check_range(session, taken, side: int, sizes: tuple[int, int, int]) -> None:
    """ValueError unless the joints of noise are voxels: inside the volumes, beyond the cube."""
    mean, deviation = (np.reshape(OF_255[key], (3, 1, 1)) for key in ("mean", "deviation"))
    noise = (np.random.default_rng(0).random((1, 3, side, side)) - mean) / deviation
    (joints,) = session.run(None, {taken.name: noise.astype(np.float32)})
    inside = (joints >= 0).all() and (joints <= np.subtract(sizes, 1)).all()
    if not inside or (joints <= 0.5).all():
        raise ValueError(
            f"its joints of noise are from {joints.min():.3g} to {joints.max():.3g}, which are no "
            f"voxels of {sizes}"
        )


def _surround(onnx, graph, before: tuple, after: tuple) -> None:
    """Let the graph take other numbers, and give others: each times a factor, and something added."""
    (taken,) = [
        each for each in graph.input if each.name not in {i.name for i in graph.initializer}
    ]
    (made,) = graph.output
    first = _affine(onnx, graph, "pictures", taken.name, before)
    last = _affine(onnx, graph, made.name, OUTPUT, after)
    nodes = [*first, *graph.node, *last]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    for value, name in ((taken, "pictures"), (made, OUTPUT)):
        value.name = name
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _affine(onnx, graph, source: str, target: str, numbers: tuple) -> list:
    """Two steps from `source` to `target`."""
    names = [f"{MIXED}{target}_{part}" for part in ("factor", "addend", "product")]
    for name, array in zip(names, numbers, strict=False):
        graph.initializer.append(onnx.numpy_helper.from_array(np.float32(array), name))
    return [
        onnx.helper.make_node("Mul", [source, names[0]], [names[2]]),
        onnx.helper.make_node("Add", [names[2], names[1]], [target]),
    ]
