"""posekit: 3D human pose papers, reproduced number by number."""

import os

__version__ = "0.1.0"

# Shapes promised in signatures are checked in tests and in the notebooks that tests run. Never
# outside: a checked function costs about 0.1 ms a call and can't be compiled.
if os.environ.get("POSEKIT_CHECK_SHAPES"):
    from jaxtyping import install_import_hook

    install_import_hook("posekit", "beartype.beartype")
