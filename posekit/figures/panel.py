"""A panel to look into a network of heatmaps: which picture, which stack, which joint.

After the graphical user interface that Kim et al., "Final Project Report - Human Pose Estimation"
(undated), section I, added "for a better interpretation of the model's output". They do not say
what it shows.

B pictures of H x W pixels, S stacks, J joints, h x w cells of a heatmap.
"""

import html
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import ipywidgets as widgets
import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Picture
from torch import Tensor

from posekit.figures.curves import GREY
from posekit.figures.output import show
from posekit.figures.overlay import (
    Bars,
    Locate,
    Look,
    Overlay,
    Seen,
    draw_still,
    named,
    plain,
    scale,
    see,
    still,
)
from posekit.geometry.crop import crop_affine, read_image, take
from posekit.geometry.skeleton import Skeleton

THUMB = 72  # px
SLIDERS = ("240px", "370px")  # stack, joint: with room for the longest name

# A larger file never arrives: the server's websocket takes 10 MiB, and says nothing.
HINT = "JPEG or PNG, less than 10 MB"
INVITE = (
    "Run this cell in JupyterLab to choose another picture, stack or joint, or upload a picture."
)
HIDE = (
    "<style>.jp-OutputArea-child:has(.posekit-panel) + .jp-OutputArea-child {display: none}</style>"
)


def panel(
    images: UInt8[Tensor, "B 3 H W"],
    look: Look,
    skeleton: Skeleton,
    *,
    locate: Locate,
    titles: Sequence[str] = (),
) -> None:
    """Show a `Panel`, and for readers of the closed notebook its `still`; that alone if headless.

    `look` gives the heatmaps of pictures that lie on the CPU, `locate` the joints (px of the
    picture) and confidences of one stack's. Errors as `see`.

    JupyterLab shows the panel's output alone or, without its kernel, that it is gone; so the still
    is an output of its own, hidden while the panel is there.
    """
    if _live():
        from IPython.display import display  # here, as in `posekit.figures`

        made = Panel(images, look, skeleton, locate=locate, titles=titles)
        bundle = made.view._repr_mimebundle_()
        del bundle["text/plain"]  # code hosts would print it
        display(bundle, raw=True)
        drawing = draw_still(made.images[0], made.seen, skeleton, made.titles[0])
    else:
        drawing = still(images, look, skeleton, locate=locate, titles=titles)
    drawing.supxlabel(INVITE, fontsize=9, color=GREY)
    show(drawing)


def uploaded(data: bytes, name: str, size: tuple[int, int]) -> UInt8[Tensor, "3 H W"]:
    """A JPEG or PNG that somebody sent, upright, with zeros round it, as a picture of `size`.

    Its bytes are on disk only while they are read. ValueError as `posekit.crop.read_image`.
    """
    with tempfile.TemporaryDirectory(prefix="posekit-") as folder:
        path = Path(folder) / "upload"
        path.write_bytes(data)
        try:
            read_image(path)  # for its checks, which come before any decoding
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), name)) from error
        image = cv2.imread(str(path))[..., ::-1]  # upright: a telephone's EXIF says which way
    height, width = image.shape[:2]
    middle = crop_affine((-0.5, -0.5, width, height), size, context=1, name=name)
    return take(np.ascontiguousarray(image), middle, size)


class Panel:
    """The widgets in one `view`: a click or a slider draws the picture in it anew.

    The network is asked once for each picture. Errors as `see`; those of an upload, or of another
    picture than the first, stand in the panel. Nothing of an upload is written to disk to stay.
    """

    def __init__(
        self,
        images: UInt8[Tensor, "B 3 H W"],
        look: Look,
        skeleton: Skeleton,
        *,
        locate: Locate,
        titles: Sequence[str] = (),
    ):
        self.titles = named(images, titles)
        self.images = list(images.cpu())
        self._see = lambda image: see(image, look, skeleton, locate=locate)
        self._given, self._chosen = len(images), 0
        self._known = {0: self._see(self.images[0])}
        self._canvas, self._overlay, self._bars = _screen(skeleton, tuple(images.shape[2:]))
        stacks = len(self.seen.heatmaps)
        narrow, wide = ({"width": width, "margin": "2px 14px 2px 0"} for width in SLIDERS)
        short = {"description_width": "40px"}
        last = max(stacks, 2)  # a slider needs room to move, also where it is not shown
        self.stack = widgets.IntSlider(
            stacks, 1, last, description="stack", style=short, layout=narrow
        )
        names = [("all", -1), *((plain(joint), i) for i, joint in enumerate(skeleton.joints))]
        self.joint = widgets.SelectionSlider(
            options=names, description="joint", style=short, layout=wide
        )
        tick = {"indent": False, "layout": {"width": "86px"}}
        self.heat = widgets.Checkbox(True, description="heatmap", **tick)
        self.bones = widgets.Checkbox(True, description="skeleton", **tick)
        self.upload = widgets.FileUpload(
            accept=".jpg,.jpeg,.png", description="upload a picture", layout={"width": "180px"}
        )
        self.message = widgets.HTML(HINT, layout={"margin": "2px 0 2px 10px"})
        self.screen = widgets.Image(layout={"max_width": "100%", "object_fit": "contain"})
        self.strip = widgets.Box(layout={"flex_flow": "row wrap", "max_height": "220px"})
        for index in range(self._given):
            self._add_thumb(index)
        ticks = widgets.HBox([self.heat, self.bones])
        sliders = [self.stack, self.joint] if stacks > 1 else [self.joint]
        self.view = widgets.VBox(
            [
                self.strip,
                widgets.HBox([self.upload, self.message], layout={"align_items": "center"}),
                widgets.Box([*sliders, ticks], layout={"flex_flow": "row wrap"}),
                self.screen,
                widgets.HTML(HIDE),
            ],
        )
        self.view.add_class("posekit-panel")
        for control in (self.stack, self.joint, self.heat, self.bones):
            control.observe(lambda _: self._draw(), "value")
        self.upload.observe(lambda _: self._receive(), "value")
        self._show(0)

    @property
    def seen(self) -> Seen:
        """What the network sees in the picture that is shown."""
        return self._known[self._chosen]

    def choose(self, index: int) -> None:
        """Show the picture of this number; where the network fails on it, say so and stay."""
        try:
            if index not in self._known:
                self._known[index] = self._see(self.images[index])
        except (ValueError, RuntimeError) as error:  # RuntimeError: torch's, out of memory too
            self._say(self.titles[index], error)
            return
        self.message.value = HINT
        self._show(index)

    def _show(self, index: int) -> None:
        self._chosen = index
        for number, thumb in enumerate(self.strip.children):
            thumb.children[1].button_style = "primary" if number == index else ""
        self._draw()

    def _draw(self) -> None:
        seen, stack, joint = self.seen, self.stack.value - 1, self.joint.value
        heat = seen.heatmaps[stack].amax(0) if joint < 0 else seen.heatmaps[stack, joint]
        ring = None if joint < 0 else joint
        self._overlay.fill(
            self.images[self._chosen],
            seen.joints[stack] if self.bones.value else None,
            heat if self.heat.value else None,
            peak=seen.peak,
            ring=ring,
        )
        self._bars.fill(seen.confidence[stack], ring)
        self._canvas.draw()
        self.screen.value = _png(np.asarray(self._canvas.buffer_rgba())[..., :3])

    def _receive(self) -> None:
        """Show the picture that was uploaded, in the place of the last one."""
        if not self.upload.value:
            return
        file = self.upload.value[0]
        name, data = file["name"], bytes(file["content"])
        self.upload.value = ()  # so that no saved notebook has it
        try:
            image = uploaded(data, name, tuple(self.images[0].shape[1:]))
            seen = self._see(image)
        except (ValueError, RuntimeError) as error:
            self._say(name, error)
            return
        index = self._given
        self._known[index] = seen
        self.images[index:], self.titles[index:] = [image], [name]
        self.strip.children = self.strip.children[:index]
        self._add_thumb(index)
        self.choose(index)

    def _add_thumb(self, index: int) -> None:
        small = cv2.resize(self.images[index].permute(1, 2, 0).numpy(), (THUMB, THUMB))
        picture = widgets.Image(value=_png(small), width=THUMB, height=THUMB)
        across = {"width": f"{THUMB}px", "margin": "0"}
        title = self.titles[index]
        button = widgets.Button(description=title, tooltip=title, layout=across)
        button.on_click(lambda _: self.choose(index))
        thumb = widgets.VBox([picture, button], layout={"margin": "0 6px 6px 0"})
        self.strip.children += (thumb,)

    def _say(self, name: str, error: Exception) -> None:
        text = str(error) if str(error).startswith(name) else f"{name}: {error}"
        self.message.value = f'<span style="color: #B00020">{html.escape(text)}</span>'


def _live() -> bool:
    """Whether there is a kernel, and with it perhaps somebody to move sliders."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel") and not os.environ.get("POSEKIT_HEADLESS")


def _png(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    return cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]), fast)[1].tobytes()


def _screen(skeleton: Skeleton, size: tuple[int, int]) -> tuple[FigureCanvasAgg, Overlay, Bars]:
    """A prepared drawing: the picture, the scale of its heatmaps, the confidences."""
    canvas = FigureCanvasAgg(Picture(figsize=(9.2, 5.2), dpi=100, facecolor="white"))
    overlay = Overlay(canvas.figure.add_axes((0.005, 0.01, 0.553, 0.98)), skeleton, size)
    scale(overlay, canvas.figure.add_axes((0.575, 0.06, 0.014, 0.86)))
    bars = Bars(canvas.figure.add_axes((0.77, 0.02, 0.225, 0.92)), skeleton)
    return canvas, overlay, bars
