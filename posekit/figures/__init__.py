"""Every figure of the notebooks: matplotlib for curves and pictures, Plotly for 3D scenes.

Functions are imported when they are first used: a command that draws one kind of figure does not
wait for the libraries of all others.
"""

import importlib

MODULES = {
    "curves": ("error_per_joint", "forest", "loss_curves", "pareto"),
    "mesh": ("mesh_3d", "mesh_rows"),
    "output": ("save", "show"),
    "overlay": ("from_above", "sheet", "volume_slices"),
    "panel": ("heatmap_panel",),
    "skeleton3d": ("skeleton_3d",),
}
__all__ = [name for names in MODULES.values() for name in names]


def __getattr__(name: str):
    for module, names in MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
