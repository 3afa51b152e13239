"""Pictures of Plotly's 3D scenes, drawn by matplotlib: no browser is needed to make one."""

import base64
import html
import io
import json
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure as Picture
from plotly.offline import get_plotlyjs

from posekit.system import write_text, write_whole


def show(figure: go.Figure | Picture, still: Picture | None = None) -> None:
    """Publish a figure in a notebook: to turn where scripts run, else its picture.

    One output holds both, so that JupyterLab draws the first and code hosts the second.
    """
    from IPython.display import display  # here: the command line draws figures without IPython

    display(mimebundle(figure, still), raw=True)


def mimebundle(figure: go.Figure | Picture, still: Picture | None = None) -> dict:
    """What `show` publishes: Plotly's JSON (if it is a Plotly figure), a PNG and a line of text."""
    if isinstance(figure, Picture):
        return {"image/png": _base64(figure), "text/plain": "a picture"}
    text = f"{figure.layout.title.text} ({max(len(figure.frames), 1)} frames)"
    return {
        "application/vnd.plotly.v1+json": json.loads(figure.to_json()),
        "image/png": _base64(still or picture(figure)),
        "text/plain": text,
    }


def save(
    figure: go.Figure | Picture, folder: Path | str, name: str, still: Picture | None = None
) -> Path:
    """Write `name`.png and, of a Plotly figure, `name`.html; the same figure gives the same bytes.

    The picture of a Plotly figure is `still`, which those need that have more than lines in them.

    All pages of a folder share one plotly.min.js beside them and ask the network for nothing.
    Returns the path of the picture. Raises ValueError for a name that is not a plain file name.
    """
    if Path(name).name != name or name in ("", ".", ".."):
        raise ValueError(f"{name!r} is not a plain file name for a figure")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(figure, go.Figure):
        library = folder / "plotly.min.js"
        script = get_plotlyjs().encode()
        if not library.exists() or library.stat().st_size != len(script):
            write_whole(library, lambda part: part.write_bytes(script))
        write_text(folder / f"{name}.html", _page(figure, name))
        figure = still or picture(figure)
    path = folder / f"{name}.png"
    drawn = _png(figure)
    write_whole(path, lambda part: part.write_bytes(drawn))
    return path


def _page(figure: go.Figure, name: str) -> str:
    body = figure.to_html(
        full_html=False,
        include_plotlyjs="directory",
        div_id=f"figure-{name}",
        auto_play=False,
        config={"displaylogo": False, "responsive": True},
    )
    title = html.escape(figure.layout.title.text or name)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f'\n<body>\n<noscript><img src="{name}.png" alt="{title}"></noscript>\n{body}\n</body></html>\n'
    )


def _png(drawing: Picture) -> bytes:
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _base64(drawing: Picture) -> str:
    return base64.b64encode(_png(drawing)).decode()


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
