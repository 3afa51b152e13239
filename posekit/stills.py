"""Pictures of Plotly's 3D scenes, drawn by matplotlib: no browser is needed to make one."""

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure as Picture

GRID = 500  # mm
MOMENTS = 3  # frames of an animation that its picture shows


def picture(figure: go.Figure, moments: int = MOMENTS) -> Picture:
    """The 3D lines of a Plotly figure drawn by matplotlib, at up to `moments` of its frames."""
    frames = list(figure.frames)
    count = min(moments, len(frames)) if frames else 1
    chosen = np.linspace(0, max(len(frames) - 1, 0), count).round().astype(int)
    drawing = Picture(figsize=(4.2 * count, 4.6), dpi=100, layout="constrained")
    drawing.suptitle(figure.layout.title.text, fontsize=12, wrap=True)
    for column, number in enumerate(chosen):
        axes = drawing.add_subplot(1, count, column + 1, projection="3d")
        moved = {}
        if frames:
            frame = frames[number]
            moved = dict(zip(frame.traces, frame.data, strict=True))
            axes.set_title(f"{figure.layout.sliders[0].steps[number].label} s", fontsize=10)
        for index, trace in enumerate(figure.data):
            _draw(axes, trace, moved.get(index, trace), legend=column == 0)
        _frame(axes, figure.layout.scene)
    handles, labels = drawing.axes[0].get_legend_handles_labels()
    if handles:
        drawing.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return drawing


def _draw(axes, trace: go.Scatter3d, moved: go.Scatter3d, *, legend: bool) -> None:
    x, y, z = (np.asarray(values, dtype=float) for values in (moved.x, moved.y, moved.z))
    if trace.mode == "text":
        for place in zip(x, y, z, trace.text, strict=True):
            axes.text(*place, ha="center", fontsize=10)
        return
    label = trace.name if legend and trace.showlegend is not False else None
    size = 2.5 if "markers" in trace.mode else 0
    style = {"color": trace.line.color, "lw": trace.line.width / 2.8, "label": label}
    axes.plot(x, y, z, marker="o", markersize=size, **style)


def _frame(axes, scene: go.layout.Scene) -> None:
    """The same cube, seen from the same side, as Plotly's scene."""
    eye = scene.camera.eye
    axes.set(xlim=scene.xaxis.range, ylim=scene.yaxis.range, zlim=scene.zaxis.range)
    axes.set_box_aspect((1, 1, 1), zoom=1.2)
    axes.set_proj_type("persp", focal_length=1.6)
    axes.view_init(
        elev=np.degrees(np.arctan2(eye.z, np.hypot(eye.x, eye.y))),
        azim=np.degrees(np.arctan2(eye.y, eye.x)),
    )
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        low, high = axis.get_view_interval()
        axis.set_ticks(np.arange(np.ceil(low / GRID), np.floor(high / GRID) + 1) * GRID, labels=[])
