"""Every figure of the notebooks: matplotlib for curves and pictures, Plotly for 3D scenes."""

from posekit.figures.curves import error_per_joint, forest, loss_curves, pareto
from posekit.figures.mesh import mesh_3d, mesh_rows
from posekit.figures.output import save, show
from posekit.figures.overlay import from_above, sheet, volume_slices
from posekit.figures.panel import heatmap_panel
from posekit.figures.skeleton3d import skeleton_3d

__all__ = [
    "error_per_joint",
    "forest",
    "from_above",
    "heatmap_panel",
    "loss_curves",
    "mesh_3d",
    "mesh_rows",
    "pareto",
    "save",
    "sheet",
    "show",
    "skeleton_3d",
    "volume_slices",
]
