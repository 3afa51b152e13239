"""`posekit ...`: reproduce papers, and ask what came out."""

import os
import sys
import time
import traceback
from pathlib import Path
from typing import Annotated

import typer

import posekit
from posekit import system
from posekit.claims.paper import WITH_SMOKE as SIZES
from posekit.cli.data import app as data_app
from posekit.cli.maintain import app as maintain_app
from posekit.cli.networks import evaluate, predict, runs
from posekit.system import ROOT

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(data_app, name="data")
app.add_typer(maintain_app, name="maintain")
for command in (runs, predict, evaluate):
    app.command()(command)

RESULTS = ROOT / "results"
LONGEST = 300  # characters of a library's error
Out = Annotated[Path, typer.Option(help="The folder results go to and are read from.")]


def _print_version(wanted: bool) -> bool:
    if wanted:
        print(f"posekit {posekit.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Print where in the code an error comes from.")
    ] = False,
) -> None:
    """3D human pose papers, reproduced number by number."""


@app.command("reproduce")
def reproduce_papers(
    papers: Annotated[
        list[str] | None,
        typer.Argument(help="Papers or notebooks, such as tran2022 or lifting; none means all."),
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
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to; results, or results-smoke, unless given."),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            help="Where trainings are done: processes (of this machine), or "
            "slurm:partition=NAME,gpus=1,minutes=60,workers=8."
        ),
    ] = "processes",
    processes: Annotated[
        int, typer.Option(help="How many do one training: of a CPU, or a GPU each.", min=1)
    ] = 1,
    hours: Annotated[
        float, typer.Option(help="Stop after so many; 0: when all is done.", min=0)
    ] = 0,
    dry_run: Annotated[bool, typer.Option(help="Print the papermill commands only.")] = False,
) -> None:
    """Run the notebooks of papers with papermill and write their results.

    Finished runs are not done again; an interrupted one goes on where it stopped. With --hours
    trainings stop at a checkpoint when the time is up, and what is left is printed. Results of a
    larger size or of more seeds are never replaced by those of a smaller one.
    """
    from posekit.cli import reproduce as jobs
    from posekit.report import overview
    from posekit.training import cluster
    from posekit.training import processes as together

    need_repository()
    chosen, parameters = jobs.asked(papers, size, data)
    out = jobs.folder_for(out.resolve() if out else None, chosen, size, seeds)
    parameters |= {"seeds": seeds, "out": str(out), "device": device}
    more = dict(map(jobs.pair, param or []))
    if twice := sorted(more.keys() & parameters):
        raise ValueError(f"--param {twice[0]}=...: that is what the option --{twice[0]} is for")
    notebooks = {paper: jobs.notebooks()[paper] for paper in chosen}
    given = jobs.shares(notebooks, parameters | more)
    jobs.check_inputs(parameters | ({"device": "cpu"} if cluster.from_words(on) else {}))
    os.environ[cluster.ON] = on  # for the kernels of the notebooks
    os.environ[system.UNTIL] = str(time.time() + 3600 * hours) if hours else ""
    os.environ[together.PROCESSES] = str(processes)
    together.check(processes, str(system.pick_device(device)) if on == "processes" else "cpu")
    for paper, notebook in notebooks.items():
        if dry_run:
            how = {"on": on if on != "processes" else "", "together": processes, "hours": hours}
            print(jobs.command(notebook, given[paper], **how))
            continue
        about = f"at size {size}, {seeds} seeds, into {out.name}"
        print(f"{paper}: running {notebook.name} {about}", flush=True)
        try:
            jobs.reproduce(paper, given[paper], out)
        except system.OutOfTime as error:
            later = list(notebooks)[list(notebooks).index(paper) + 1 :]
            print(f"the time is up. {paper}: {error}")
            if later:
                print(f"not begun: {', '.join(later)}")
            print("the same command goes on from here")
            return
        except KeyboardInterrupt:
            print("posekit: stopped; the same command goes on from here", file=sys.stderr)
            raise typer.Exit(130) from None
    if dry_run:
        return
    overview.write(out)
    _print_counts(out, chosen)
    if size == "smoke":
        print("\nsize smoke shows that everything runs; its numbers never count for a verdict")
    print(f"\nresults: {out / 'README.md'}")
    for paper in chosen:
        print(f"         {out / f'{paper}.md'}")


@app.command("rehearse")
def rehearse_papers(
    papers: Annotated[
        list[str] | None, typer.Argument(help="Papers or notebooks; none means all.")
    ] = None,
    size: Annotated[str, typer.Option(help=", ".join(SIZES))] = "large",
    data: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER, for each data set you have.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder of results whose page costs.md gets the costs.")
    ] = None,
) -> None:
    """Run every training of a size for a few steps on a few samples, and print what the size costs.

    Nothing is kept but, with --out, the costs. Hours are of one seed, at 30 % of a device's peak.
    """
    from posekit.cli import rehearse
    from posekit.cli import reproduce as jobs

    need_repository()
    chosen, parameters = jobs.asked(papers, size, data)
    jobs.check_inputs(parameters | {"device": ""})
    for text in rehearse.rehearse(chosen, parameters, out):
        print(text, flush=True)


@app.command()
def status(
    papers: Annotated[
        list[str] | None, typer.Argument(help="Papers or notebooks; none means all.")
    ] = None,
    out: Out = RESULTS,
) -> None:
    """How many claims of each paper got which verdict."""
    from posekit.claims.paper import slugs
    from posekit.cli.reproduce import paper_of

    _print_counts(out, [paper_of(name) for name in papers] if papers else slugs())


def _print_counts(out: Path, papers: list[str]) -> None:
    from posekit.report.story import status

    records = _records(out)
    for paper in papers:
        print(f"\n{status(paper, records)}")


def _records(out: Path) -> list:
    from posekit.claims.measurements import load_records

    if out == RESULTS:
        need_repository()
    if out.is_file():
        raise NotADirectoryError(f"{out} is a file, not a folder of results; choose another --out")
    return load_records(out / "runs")


@app.command()
def why(
    claim: str,
    out: Out = RESULTS,
    full: Annotated[bool, typer.Option(help="Everything: all numbers, seeds and runs.")] = False,
) -> None:
    """What is behind the verdict of CLAIM, such as tran2022-021, in ten lines."""
    from posekit.report import story

    print(story.why(claim, _records(out), full=full))


@app.command("diff")
def compare_results(
    before: Annotated[str, typer.Argument(help="A commit, or a folder of results.")],
    after: Annotated[str, typer.Argument(help="Another; the results at hand if left out.")] = "",
) -> None:
    """What changed between two results: verdicts, numbers beyond their intervals, costs."""
    from posekit.cli.diff import compare

    if not after:
        need_repository()
    print(compare(before, after or str(RESULTS)))


@app.command()
def render(out: Out = RESULTS) -> None:
    """Write the tables again from the run records, without running anything."""
    from posekit.report import overview

    if out == RESULTS:
        need_repository()
    overview.write(out)
    print(f"results: {out / 'README.md'}")


@app.command("new")
def start_paper(
    slug: Annotated[str, typer.Argument(help="The paper's name here, such as choi2021.")],
    notebook: Annotated[str, typer.Option(help="Its notebook's name, if it is another.")] = "",
) -> None:
    """Write the files of another paper: claims, sizes, network, notebook and test to start from."""
    from posekit.cli.new_paper import create

    need_repository()
    for path in create(slug, notebook):
        print(path.relative_to(ROOT))


@app.command()
def parity(
    folder: Annotated[Path, typer.Argument(help="A folder with your clones, such as SPIN.")],
) -> None:
    """Compare networks, metrics and losses with the published code again; rewrite the records.

    This imports and runs the projects' code, at the commits that the records name: do it only with
    clones that you trust.
    """
    from posekit.inference.parity import measure

    need_repository()
    print("\n".join(measure(folder)))


@app.command("bench")
def measure_speed(
    quick: Annotated[bool, typer.Option(help="Smaller inputs and fewer rounds.")] = False,
    gpu: Annotated[
        bool, typer.Option(help="What a GPU does beside the CPU and its bounds, 14 minutes.")
    ] = False,
    out: Annotated[Path, typer.Option(help="The file for what --gpu measures.")] = RESULTS
    / "gpu.json",
) -> None:
    """Measure posekit's speed beside the usual way to do the same: 10 minutes, or 1 with --quick."""
    from posekit.cli import bench, bench_gpu

    if gpu:
        bench_gpu.main(out, 14.0)
    else:
        bench.main(quick)


def need_repository() -> None:
    """FileNotFoundError where posekit was installed without its repository around it."""
    if not (ROOT / "notebooks").is_dir():
        raise FileNotFoundError(
            "this command needs posekit's repository, with its folders notebooks and results: "
            "clone it and install it there with pip install -e ., or name a folder with --out"
        )


def main() -> None:
    """Run the command; an error comes as one line, its traceback only with --debug.

    posekit's own errors name the thing and the remedy. Those of a library do not: the line names
    the error and the files that the command was given.
    """
    debug = "--debug" in sys.argv  # wherever it stands
    sys.argv = [word for word in sys.argv if word != "--debug"]
    try:
        app()
    except Exception as error:  # noqa: BLE001, whatever a library raises
        if debug:
            traceback.print_exc()
        print(f"posekit: {_in_one_line(error)}", file=sys.stderr)
        sys.exit(1)


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    places = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    ours = bool(places) and places[-1].is_relative_to(Path(posekit.__file__).parent)
    told = isinstance(error, OSError) and error.filename is not None  # the system names the file
    if told or (ours and isinstance(error, ValueError | OSError | RuntimeError | ImportError)):
        return text
    words = [word.rpartition("=")[2] for word in sys.argv[2:]]
    given = ", ".join(word for word in words if word and os.path.exists(word))
    where = (
        f" while working on {given}: is it whole, and of the form that is wanted? If so"
        if given
        else "; if nothing else is amiss"
    )
    return (
        f"{type(error).__name__}: {text[:LONGEST]}{where}, posekit is at fault; --debug shows where"
    )
