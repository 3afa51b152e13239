"""Figures shown in a notebook and saved to files, each with a picture that needs no script.

The picture of a Plotly figure is drawn by matplotlib: no browser is needed to make one.
"""

import base64
import html
import io
import json
import math
from pathlib import Path
from urllib.parse import quote

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure as Picture
from plotly.offline import get_plotlyjs

from posekit.system import write_text, write_whole

GRID_MM = 500
"""Distance of the grid lines of a 3D scene, as far as it has no more than GRID_LINES of them."""
GRID_LINES = 60


def grid_step(size: float) -> int:
    """The distance of grid lines in a scene of this size, mm: millions of lines can't be drawn."""
    return GRID_MM * max(1, math.ceil(size / (GRID_MM * GRID_LINES)))


def show(figure: go.Figure | Picture, still: Picture | None = None) -> None:
    """Publish a figure in a notebook, as one output that holds Plotly's JSON and a PNG.

    JupyterLab shows the first, which can be turned and played; code hosts show the second. The PNG
    of a Plotly figure is `still`, which figures need that have more than lines in them.
    """
    from IPython.display import display  # here: the command line draws figures without IPython

    bundle = {"text/plain": "a picture"}
    if isinstance(figure, go.Figure):
        bundle = {
            "application/vnd.plotly.v1+json": json.loads(figure.to_json()),
            "text/plain": f"{_title(figure)} ({max(len(figure.frames), 1)} frames)",
        }
    bundle["image/png"] = base64.b64encode(png(_still(figure, still))).decode()
    display(bundle, raw=True)


def add_to_title(figure: go.Figure | Picture, words: str) -> None:
    """Add words to a figure's title, unless one of its titles has them already.

    A picture without a title of its own, such as a sheet of pictures with one each, gets the words
    as its title.
    """
    if isinstance(figure, go.Figure):
        title = figure.layout.title.text or ""
        if words not in title:
            figure.update_layout(title_text=", ".join(filter(None, (title, words))))
        return
    titled, own = figure.get_suptitle(), [axes.get_title() for axes in figure.axes]
    if any(words in title for title in (titled, *own)):
        return
    if titled or len(own) != 1:
        figure.suptitle(", ".join(filter(None, (titled, words))), fontsize=11)
    else:
        first, *more = own[0].split("\n")
        first = ", ".join(filter(None, (first, words)))
        figure.axes[0].title.set_text("\n".join([first, *more]))


def save(
    figure: go.Figure | Picture, folder: Path | str, name: str, still: Picture | None = None
) -> Path:
    """Write `name`.png and, of a Plotly figure, `name`.html; return the path of the picture.

    The same figure gives the same bytes. All pages of a folder share one plotly.min.js beside them
    and ask the network for nothing. `still` as for `show`. Raises ValueError for a name that is not
    a plain file name.
    """
    if Path(name).name != name or name in ("", ".", ".."):
        raise ValueError(f"{name!r} is not a plain file name for a figure")
    folder = Path(folder)
    if isinstance(figure, go.Figure):
        library, script = folder / "plotly.min.js", get_plotlyjs().encode()
        if not library.exists() or library.stat().st_size != len(script):
            write_whole(library, lambda part: part.write_bytes(script))
        write_text(folder / f"{name}.html", _page(figure, name))
    drawn = png(_still(figure, still))
    write_whole(folder / f"{name}.png", lambda part: part.write_bytes(drawn))
    return folder / f"{name}.png"


def png(drawing: Picture, compression: int = 6) -> bytes:
    """A matplotlib figure as a PNG; the same drawing gives the same bytes."""
    style = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": compression}}
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", **style)
    return buffer.getvalue()


def _page(figure: go.Figure, name: str) -> str:
    """A page as wide as its window; the tools stand upright at the right, clear of the title."""
    wide = go.Figure(figure).update_layout(
        width=None, autosize=True, modebar={"orientation": "v"}, overwrite=False
    )
    body = wide.to_html(
        full_html=False,
        include_plotlyjs="directory",
        div_id=f"figure-{name}",
        auto_play=False,
        config={"displaylogo": False, "responsive": True},
    )
    title = html.escape(_title(figure) or name)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f'\n<body>\n<noscript><img src="{quote(name)}.png" alt="{title}"></noscript>\n{body}'
        "\n</body></html>\n"
    )


def _title(figure: go.Figure) -> str:
    """The title as text; in the figure it is HTML."""
    return html.unescape(figure.layout.title.text or "")


def _still(figure: go.Figure | Picture, still: Picture | None) -> Picture:
    return figure if isinstance(figure, Picture) else still or picture(figure)


def picture(figure: go.Figure, moments: int = 3) -> Picture:
    """The 3D lines and texts of a Plotly figure drawn by matplotlib, at up to `moments` frames."""
    frames = list(figure.frames)
    count = min(moments, len(frames)) or 1
    chosen = np.linspace(0, max(len(frames) - 1, 0), count).round().astype(int)
    # JupyterLab cuts off what is wider than its column, some 860 px.
    size = (5, 4.6) if count == 1 else (2.85 * count, 3.6)
    drawing = Picture(figsize=size, dpi=100, layout="constrained")
    drawing.suptitle(_title(figure), fontsize=11, wrap=True, parse_math=False)
    for column, number in enumerate(chosen):
        axes = drawing.add_subplot(1, count, column + 1, projection="3d")
        if frames:
            axes.set_title(f"{figure.layout.sliders[0].steps[number].label} s", fontsize=10)
        moved = frames[number].data if frames else figure.data
        for trace, points in zip(figure.data, moved, strict=True):
            _draw(axes, trace, points, words=10 if count == 1 else 7)
        _frame(axes, figure.layout.scene)
    legend = drawing.axes[0].get_legend_handles_labels()
    columns = 2 if count == 1 else 4
    drawing.legend(*legend, loc="outside lower center", ncols=columns, frameon=False)
    return drawing


def _draw(axes, trace: go.Scatter3d, moved: go.Scatter3d, words: int) -> None:
    points = np.stack([np.asarray(axis, dtype=float) for axis in (moved.x, moved.y, moved.z)], 1)
    if trace.mode == "text":
        for place, text in zip(points, moved.text, strict=True):
            if np.isfinite(place).all():
                axes.text(
                    *place, html.unescape(text), ha="center", fontsize=words, parse_math=False
                )
        return
    size = 2.5 if "markers" in trace.mode else 0
    style = {"color": trace.line.color, "lw": trace.line.width / 2.8, "label": trace.name}
    axes.plot(*points.T, marker="o", markersize=size, **style)


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
        step = scene.xaxis.dtick or grid_step(high - low)
        lines = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        axis.set_ticks(lines, labels=[])
