"""`posekit ...`: reproduce papers, and ask what came out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from posekit.training.runs import ROOT

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
data_app = typer.Typer(no_args_is_help=True, help="Data sets on this machine.")
app.add_typer(data_app, name="data")

RESULTS = ROOT / "results"
SIZES = ("smoke", "small", "gpu", "paper")
Out = Annotated[Path, typer.Option(help="The folder results go to and are read from.")]


@app.command()
def reproduce(
    papers: Annotated[
        list[str] | None, typer.Argument(help="Paper ids such as tran2022; none means all.")
    ] = None,
    size: Annotated[str, typer.Option(help=", ".join(SIZES))] = "small",
    seeds: Annotated[int, typer.Option(help="How many, from 0 on.", min=1)] = 3,
    data: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER, for each data set you have.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda; empty takes the best there is.")] = "",
    param: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, another parameter of the notebook.")
    ] = None,
    out: Out = RESULTS,
    dry_run: Annotated[bool, typer.Option(help="Print the papermill commands only.")] = False,
) -> None:
    """Run the notebooks of papers with papermill and write their results.

    Finished runs are not done again; a killed one goes on where it stopped.
    """
    from posekit.cli import reproduce as jobs
    from posekit.report import overview as report

    if size not in SIZES:
        raise ValueError(f"no size {size!r}; there are {', '.join(SIZES)}")
    out = out.resolve()
    parameters = {"size": size, "seeds": seeds, "data": ",".join(map(_absolute, data or []))}
    parameters |= {"out": str(out), "device": device}
    more = dict(map(_pair, param or []))
    if twice := sorted(more.keys() & parameters):
        raise ValueError(f"--param {twice[0]}=...: that is what the option --{twice[0]} is for")
    parameters |= more
    chosen = {paper: jobs.notebook_of(paper) for paper in papers or jobs.notebooks()}
    given = jobs.shares(chosen, parameters)
    jobs.check_inputs(parameters)
    for paper, notebook in chosen.items():
        if dry_run:
            print(jobs.command(notebook, given[paper]))
            continue
        print(f"{paper}: running {notebook.name} at size {size}, {seeds} seeds", flush=True)
        jobs.reproduce(paper, given[paper], out)
    if dry_run:
        return
    report.write(out)
    _print_counts(out, list(chosen))
    print(f"\nresults: {out / 'README.md'}")
    for paper in chosen:
        print(f"         {out / f'{paper}.md'}")


@app.command()
def status(out: Out = RESULTS) -> None:
    """How many claims of each paper got which verdict."""
    from posekit.claims.paper import slugs

    _print_counts(out, slugs())


def _print_counts(out: Path, papers: list[str]) -> None:
    from posekit.claims.ledger import counts, verdicts

    records = _records(out)
    for paper in papers:
        found = counts(verdicts(paper, records))
        print(f"\n{paper}: {found.sum()} claims")
        for word, count in found[found > 0].items():
            print(f"  {count:5d}  {word}")


def _records(out: Path) -> list:
    from posekit.claims.measurements import load_records

    if out.is_file():
        raise NotADirectoryError(f"{out} is a file, not a folder of results; choose another --out")
    return load_records(out / "runs")


@app.command()
def why(claim: str, out: Out = RESULTS) -> None:
    """What is behind the verdict of CLAIM, such as tran2022-021."""
    from posekit.claims import ledger

    print(ledger.why(claim, _records(out)))


@app.command()
def render(out: Out = RESULTS) -> None:
    """Write the tables again from the run records, without running anything."""
    from posekit.report import overview as report

    report.write(out)
    print(f"results: {out / 'README.md'}")


@app.command()
def predict(
    source: Annotated[
        str, typer.Argument(help="A JPEG, PNG or video; webcam or webcam:1 for a camera here.")
    ],
    model: Annotated[
        str, typer.Option(help="A finished run's id or folder, or an exported .onnx file.")
    ],
    box: Annotated[
        list[str] | None, typer.Option(help="LEFT,TOP,WIDTH,HEIGHT in px, for each person.")
    ] = None,
    boxes: Annotated[Path | None, typer.Option(help="A json or csv file of boxes.")] = None,
    detector: Annotated[str, typer.Option(help="auto, torchvision, hog, whole.")] = "auto",
    least: Annotated[float, typer.Option(help="Score from which on somebody counts.")] = 0.5,
    focal: Annotated[
        float | None, typer.Option(help="Focal length, px; else EXIF's, else the diagonal.")
    ] = None,
    frames: Annotated[int | None, typer.Option(help="End after so many.", min=1)] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda; empty takes the best there is.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="The folder for the results; SOURCE-people if not given.")
    ] = None,
) -> None:
    """Where the people of a picture or video are, in pixels and in space.

    A video that was interrupted goes on where it stopped when the same command is given again.
    """
    from posekit.inference.predict import predict_source

    said, interrupted = predict_source(
        source,
        model,
        box or [],
        boxes,
        detector,
        device,
        out,
        focal=focal,
        least=least,
        most=frames,
    )
    print(said)
    if interrupted:
        raise typer.Exit(130)


@app.command()
def bench() -> None:
    """Measure posekit's own speed, side by side with the usual way of doing the same."""
    from posekit.cli import bench as benchmarks

    benchmarks.main()


@data_app.command("check")
def data_check(name: str, folder: Path) -> None:
    """What is in FOLDER of data set NAME, what is missing, and where to get it."""
    from posekit.data.check import check

    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    found = check(name, folder)
    print(found)
    if not found.ok:
        raise typer.Exit(1)


@data_app.command("convert-smpl")
def data_convert_smpl(
    file: Annotated[Path, typer.Argument(help="Your licensed model, a .pkl file.")],
    out: Annotated[
        Path | None, typer.Option(help="The npz to write; beside FILE, if not given.")
    ] = None,
) -> None:
    """Turn an SMPL model into an npz of plain arrays; nothing inside FILE is run."""
    from posekit.data.formats.smpl import convert

    print(convert(file, out))


def _absolute(text: str) -> str:
    """NAME=FOLDER with the folder made absolute: the notebook runs in another one."""
    name, folder = _pair(text, "NAME=FOLDER")
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise FileNotFoundError(f"--data {text}: there is no folder {path}")
    return f"{name}={path}"


def _pair(text: str, form: str = "NAME=VALUE") -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (separator and name and value):
        raise ValueError(f"{text!r} is not of the form {form}")
    return name, value


def main() -> None:
    """Run the command; errors that people can mend come as one line, without a traceback."""
    try:
        app()
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"posekit: {error}", file=sys.stderr)
        sys.exit(1)
