"""A panel to look into a network of heatmaps: which picture, which stack, which joint.

After the graphical user interface that Kim et al., "Final Project Report - Human Pose Estimation"
(undated), section I, added "for a better interpretation of the model's output". They do not say
what it shows.

B pictures of H x W pixels.
"""

import html
import os
import sys
import tempfile
from pathlib import Path

import cv2
import ipywidgets as widgets
import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from posekit.figures.heatmap_view import Locate, Network, View, look, screen, still
from posekit.figures.output import png, show
from posekit.figures.palette import GREY, plain
from posekit.geometry.crop import crop_affine, read_image, take
from posekit.geometry.skeleton import Skeleton

SLIDERS = ("240px", "370px")  # stack, joint: with room for the longest name

# A larger file never arrives: the server's websocket takes 10 MiB, and says nothing.
HINT = "JPEG or PNG, less than 10 MB"
INVITE = (
    "Run this cell in JupyterLab to choose another picture, stack or joint, or upload a picture."
)
HIDE = (
    "<style>.jp-OutputArea-child:has(.posekit-panel) + .jp-OutputArea-child {display: none}</style>"
)


def heatmap_panel(
    images: UInt8[Tensor, "B 3 H W"], network: Network, skeleton: Skeleton, *, locate: Locate
) -> None:
    """Show a `Panel`, and for readers of the closed notebook a still; that alone if headless.

    `network` gives the heatmaps of pictures that lie on the CPU, `locate` the joints (px of the
    picture) and confidences of one stack's. Errors as `look`.

    JupyterLab shows the panel's output alone or, without its kernel, that it is gone; so the still
    is an output of its own, hidden while the panel is there.
    """
    if _live():
        from IPython.display import display  # here: commands draw figures without IPython

        made = Panel(images, network, skeleton, locate=locate)
        bundle = made.view._repr_mimebundle_()
        del bundle["text/plain"]  # code hosts would print it
        display(bundle, raw=True)
        view = made.views["1"]
    else:
        view = look(images[0], network, skeleton, locate=locate)
    drawing = still(images[0].cpu(), view, skeleton, "1")
    drawing.supxlabel(INVITE, fontsize=9, color=GREY)
    show(drawing)


def uploaded(data: bytes, name: str, size: tuple[int, int]) -> UInt8[Tensor, "3 H W"]:
    """The picture of an uploaded JPEG or PNG, upright, with zeros round it, at `size`.

    Its bytes are on disk only while they are read. ValueError as `posekit.geometry.crop.read_image`.
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
    """The widgets in one `view`: each of them draws the picture in it anew.

    The network is asked once for each picture. Errors as `look`; those of an upload, or of another
    picture than the first, stand in the panel. Nothing of an upload is written to disk to stay.
    """

    def __init__(
        self,
        images: UInt8[Tensor, "B 3 H W"],
        network: Network,
        skeleton: Skeleton,
        *,
        locate: Locate,
    ):
        self.skeleton = skeleton
        self.images = {str(number): image for number, image in enumerate(images.cpu(), start=1)}
        self._look = lambda image: look(image, network, skeleton, locate=locate)
        self.views: dict[str, View] = {"1": self._look(self.images["1"])}
        stacks = len(self.views["1"].heatmaps)
        self.picture = widgets.ToggleButtons(
            options=list(self.images), style={"button_width": "auto"}
        )
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
        sliders = [self.stack, self.joint] if stacks > 1 else [self.joint]
        rows = [self.picture, self.upload, self.message], [*sliders, self.heat, self.bones]
        boxes = [widgets.Box(row, layout={"flex_flow": "row wrap"}) for row in rows]
        self.view = widgets.VBox([*boxes, self.screen, widgets.HTML(HIDE)])
        self.view.add_class("posekit-panel")
        for control in (self.picture, self.stack, self.joint, self.heat, self.bones):
            control.observe(lambda _: self._draw(), "value")
        self.upload.observe(lambda _: self._receive(), "value")
        self._draw()

    def _draw(self) -> None:
        """Show the chosen picture; where the network fails on it, say so and leave the last."""
        name = self.picture.value
        try:
            if name not in self.views:
                self.views[name] = self._look(self.images[name])
        except (ValueError, RuntimeError) as error:  # RuntimeError: torch's, out of memory too
            self._say(name, error)
            return
        drawing = screen(
            self.images[name],
            self.views[name],
            self.skeleton,
            stack=self.stack.value - 1,
            joint=None if self.joint.value < 0 else self.joint.value,
            heat=self.heat.value,
            bones=self.bones.value,
        )
        self.message.value, self.screen.value = HINT, png(drawing, compression=1)

    def _receive(self) -> None:
        """Add the picture that was uploaded to those to choose from, and choose it."""
        if not self.upload.value:
            return
        file = self.upload.value[0]
        name, data = file["name"], bytes(file["content"])
        self.upload.value = ()  # so that no saved notebook has it
        try:
            image = uploaded(data, name, tuple(self.images["1"].shape[1:]))
            self.views[name] = self._look(image)
        except (ValueError, RuntimeError) as error:
            self._say(name, error)
            return
        self.images[name] = image
        self.picture.options = list(self.images)
        self.picture.value = name

    def _say(self, name: str, error: Exception) -> None:
        text = str(error) if str(error).startswith(name) else f"{name}: {error}"
        self.message.value = f'<span style="color: #B00020">{html.escape(text)}</span>'


def _live() -> bool:
    """Whether there is a kernel, and with it perhaps somebody to move sliders."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel") and not os.environ.get("POSEKIT_HEADLESS")
