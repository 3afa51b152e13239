"""torchvision, also where its compiled part can't be loaded.

    from posekit.compat import torchvision

PyPI's torchvision is built for CUDA. Next to a torch for CPUs its compiled part is left out without
a word, and then importing it stops at two operations that only that part would have declared
(pytorch/vision issues 8985, 9077, 9085). Declaring them is enough for everything that is plain
Python: models, transforms. Calling them (`torchvision.ops.nms`) still fails, and says so.
"""

import sys

import torch

MISSING = "operator torchvision::nms does not exist"

try:
    import torchvision
except RuntimeError as error:
    if MISSING not in str(error):
        raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    _DECLARED = torch.library.Library("torchvision", "DEF")  # they live as long as this does
    for operation in ("nms", "qnms"):
        _DECLARED.define(f"{operation}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

__all__ = ["torchvision"]
