"""`posekit maintain ...`: make anew what posekit brings along; needs the extra `maintain`."""

from pathlib import Path
from typing import Annotated

import typer

from posekit.system import ROOT

app = typer.Typer(no_args_is_help=True, help="Make anew what posekit brings along.")


@app.command("bake-body")
def bake_body(
    out: Annotated[Path, typer.Option(help="The folder for the two npz files.")] = (
        ROOT / "posekit/geometry/bodies"
    ),
) -> None:
    """Write the free body in both resolutions, from people made by Anny; a few minutes."""
    try:
        from posekit.cli import bake_body
    except ModuleNotFoundError as error:
        raise ImportError(f"{error}: pip install 'posekit[maintain]' first") from error
    bake_body.main(out)


@app.command("studio-card")
def studio_card(
    real: Annotated[
        Path | None, typer.Option(help="A folder with mpii5 and coco4, to test on photographs.")
    ] = None,
    pictures: Annotated[int, typer.Option(help="To learn from.", min=1)] = 12_000,
    epochs: Annotated[int, typer.Option(min=1)] = 5,
    seed: int = 0,
    remark: Annotated[str, typer.Option(help="What one sees in the pictures of this run.")] = "",
    out: Annotated[Path, typer.Option(help="The folder of STUDIO.md.")] = ROOT / "posekit/studio",
) -> None:
    """Train a small network on generated pictures, test it, and write the studio's data card."""
    from posekit.cli import studio_card

    settings = {"pictures": pictures, "epochs": epochs, "seed": seed}
    studio_card.main(settings, real, remark, out)


@app.command("light")
def light(
    imagenet: Annotated[Path, typer.Argument(help="MobileNetV2's weights, a state_dict of torch.")],
    pictures: Annotated[int, typer.Option(help="To train on, repeats counted.", min=1)] = 308_000,
    out: Annotated[Path, typer.Option(help="The checkpoint to write.")] = (
        ROOT / "posekit/models/weights/posekit-light.safetensors"
    ),
    data: Annotated[
        list[str] | None,
        typer.Option(help="lspet=FOLDER, pose2sim=FOLDER: photographs to test it on."),
    ] = None,
) -> None:
    """Train the network that `posekit predict` uses by default; hours of one core."""
    from posekit.cli import light_network
    from posekit.data import folders
    from posekit.inference import evaluation

    photographs = folders(",".join(data or []), known=evaluation.SETS)
    light_network.main(imagenet, out, pictures, photographs)


@app.command("pack")
def pack(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, in the cache.")],
    out: Annotated[Path, typer.Argument(help="The checkpoint to write, .safetensors.")],
) -> None:
    """Write the network of a finished run as a checkpoint of posekit, in float16."""
    from posekit.inference.trained import pack

    pack(run, out)


@app.command("error-rates")
def error_rates(
    papers: Annotated[list[str] | None, typer.Argument(help="None means all.")] = None,
    pages: Annotated[int, typer.Option(help="To draw for each paper.", min=1)] = 200,
    out: Annotated[Path, typer.Option(help="The folder with the run records.")] = ROOT / "results",
) -> None:
    """Simulate how many pages would be wrong where no network differs; minutes a paper."""
    from posekit.claims.error_rates import rates
    from posekit.claims.measurements import load_records
    from posekit.claims.paper import load_paper, slugs

    records = load_records(out / "runs")
    for paper in papers or slugs():
        found = rates(load_paper(paper), records, pages)
        print(
            f"{paper}: {100 * found.either / pages:.1f} % of {pages} pages are wrong "
            f"({found.claims} a claim, {found.changes} a change)",
            flush=True,
        )
