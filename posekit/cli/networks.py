"""`posekit runs`, `posekit predict` and `posekit evaluate`: what trained networks are there and do."""

from pathlib import Path
from typing import Annotated

import typer

DETECTORS = ("auto", "blazepose", "torchvision", "hog", "whole")


def runs(paper: Annotated[str, typer.Argument(help="A paper or notebook; none means all.")] = ""):
    """The networks that `predict --model` takes: those of the package, and of finished runs."""
    from posekit.cli.reproduce import paper_of
    from posekit.inference.trained import usable

    found = usable(paper_of(paper) if paper else "")
    for row in found:
        print(f"{row.model:16}  {row.kind:8}  {row.about}" + (f"; {row.note}" if row.note else ""))
    if not found:
        print("no trained network here: `posekit reproduce mobile --seeds 1` trains some")


def predict(
    source: Annotated[
        str,
        typer.Argument(
            help="A JPEG, PNG or video; webcam or webcam:1 for a camera here; a json or csv file of "
            "2D joints, for a lifter; sample for the picture that comes with posekit."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="A name or id that `posekit runs` lists, a run's folder, or a file (.safetensors, "
            '.onnx, .xml, .tflite); empty takes the network that comes with posekit, "blazepose" '
            "BlazePose's, where mediapipe is installed."
        ),
    ] = "",
    box: Annotated[
        list[str] | None, typer.Option(help="LEFT,TOP,WIDTH,HEIGHT in px, for each person.")
    ] = None,
    boxes: Annotated[Path | None, typer.Option(help="A json or csv file of boxes.")] = None,
    detector: Annotated[str, typer.Option(help=", ".join(DETECTORS))] = "auto",
    least: Annotated[float, typer.Option(help="Score from which on somebody counts.")] = 0.5,
    focal: Annotated[
        float | None, typer.Option(help="Focal length, px; else EXIF's, else the diagonal.")
    ] = None,
    frames: Annotated[int | None, typer.Option(help="End after so many.", min=1)] = None,
    smpl: Annotated[
        Path | None,
        typer.Option(help="Folder with SMPL's files, for networks that predict bodies."),
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="The picture that 2D joints are of.")] = None,
    order: Annotated[str, typer.Option(help="coco or h36m: of 2D joints without names.")] = "",
    device: Annotated[str, typer.Option(help="cpu, cuda; empty takes the best there is.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="The folder for the results; SOURCE-people if not given.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            help="Write into OUT whatever it has already, and begin a video anew; a webcam's "
            "recording is never replaced."
        ),
    ] = False,
) -> None:
    """Where the people of a picture or video are, in pixels and in space.

    A video that was interrupted goes on where it stopped when the same command is given again.
    """
    from posekit.inference.predict import Options, predict_source

    given = {"box": box or (), "boxes": boxes, "detector": detector, "least": least}
    given |= {"focal": focal, "most": frames, "smpl": smpl, "picture": picture, "order": order}
    options = Options(model=model, device=device, out=out, replace=replace, **given)
    said, interrupted = predict_source(source, options)
    print(said)
    if interrupted:
        raise typer.Exit(130)


def evaluate(
    model: Annotated[
        str, typer.Argument(help="As for predict --model; empty: posekit's own.")
    ] = "",
    data: Annotated[
        list[str] | None,
        typer.Option(help="lspet=FOLDER, pose2sim=FOLDER: photographs to test on."),
    ] = None,
    smpl: Annotated[
        Path | None,
        typer.Option(help="Folder with SMPL's files, for networks that predict bodies."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda; empty takes the best there is.")] = "",
) -> None:
    """How good a network is on photographs, beside the mean pose."""
    from posekit.data import folders
    from posekit.inference import evaluation
    from posekit.inference.predict import PICTURE_KINDS, network_of

    named = folders(",".join(data or []), known=evaluation.SETS)
    if not named:
        raise ValueError("say what to test on: --data lspet=FOLDER,pose2sim=FOLDER")
    network = network_of(model, device, smpl, PICTURE_KINDS)
    print(evaluation.evaluate(network, named))
    if network.note:
        print(f"\nnetwork: {network.note}")
