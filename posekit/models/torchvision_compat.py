"""torchvision, also next to a CPU-only torch that can't load its compiled part.

    from posekit.models.torchvision_compat import torchvision

PyPI's torchvision is built for CUDA. Next to a torch for CPUs its compiled part is skipped silently,
and importing it then fails on two operators that only that part declares (pytorch/vision issues
8985, 9077, 9085). Declaring them is enough for models and transforms, which are plain Python.
Calling the operators (`torchvision.ops.nms`) still raises an error.
"""

import sys

import torch

try:
    import torchvision
except RuntimeError as error:
    if "operator torchvision::nms does not exist" not in str(error):
        raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    _DECLARED = torch.library.Library("torchvision", "DEF")  # they live as long as this does
    for operation in ("nms", "qnms"):
        _DECLARED.define(f"{operation}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

__all__ = ["torchvision"]
