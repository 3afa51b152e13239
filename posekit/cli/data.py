"""`posekit data ...`: what people have on their machine, checked and converted."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Data sets and published networks on this machine.")


@app.command("check")
def check_data(name: str, folder: Path) -> None:
    """What is in FOLDER of data set NAME, what is missing, and where to get it."""
    from posekit.data import need_place
    from posekit.data.check import check

    need_place(name, folder)
    found = check(name, folder)
    print(found)
    if not found.ok:
        raise typer.Exit(1)


@app.command("prepare")
def prepare_pictures(
    papers: Annotated[
        list[str] | None, typer.Argument(help="Papers or notebooks; none means all.")
    ] = None,
    size: Annotated[str, typer.Option(help="As of posekit reproduce.")] = "small",
    data: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER, for each data set you have.")
    ] = None,
) -> None:
    """Draw or crop the pictures of a size now, and keep them for posekit reproduce."""
    from posekit.cli import need_repository
    from posekit.cli import reproduce as jobs

    need_repository()
    chosen, parameters = jobs.asked(papers, size, data)
    jobs.check_inputs(parameters | {"device": ""})
    for text in jobs.prepare(chosen, parameters):
        print(text, flush=True)


@app.command("convert-smpl")
def convert_smpl(
    file: Annotated[Path, typer.Argument(help="Your licensed model, a .pkl file.")],
    out: Annotated[
        Path | None, typer.Option(help="The npz to write; beside FILE, if not given.")
    ] = None,
) -> None:
    """Turn an SMPL model into an npz of plain arrays; nothing inside FILE is run."""
    from posekit.data.formats.smpl import convert

    print(convert(file, out))


@app.command("convert-checkpoint")
def convert_checkpoint(
    file: Annotated[
        Path, typer.Argument(help="A published network: .pth.tar, .pt, .pth, .th, .onnx.")
    ],
    layout: Annotated[
        str, typer.Option(help="What it is, such as spin or eth-ppm, where its names do not say.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="The file to write; beside FILE, if not given.")
    ] = None,
) -> None:
    """Turn a published network into a checkpoint of posekit's; nothing inside FILE is run."""
    from posekit.inference.published import convert

    print(convert(file, layout, out))
