"""Headless notebooks: whole results or none, and nothing of this machine in them."""

import os
import shlex
import subprocess
import sys
import time

import nbformat
import pytest
from builders.mpi_inf_3dhp import write_test

from posekit import system
from posekit.cli import reproduce

PARAMETERS = 'size: str = "smoke"  # how large\nout: str = ""  # where to\ndata: str = ""  # what'


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Writes the only notebook there is, of a paper called `tiny`."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(reproduce, "NOTEBOOKS", folder)
    monkeypatch.setenv("POSEKIT_HEADLESS", "1")  # a run sets it; other tests must not see it

    def write(*sources):
        book = nbformat.v4.new_notebook(
            metadata={"posekit": {"paper": "tiny", "data": ["cmu", "human36m"]}}
        )
        book.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        for number, source in enumerate((PARAMETERS, *sources)):
            cell = nbformat.v4.new_code_cell(source, id=f"code-{number:02d}")
            if not number:
                cell.metadata["tags"] = ["parameters"]
            book.cells.append(cell)
        nbformat.write(book, folder / "tiny.ipynb")

    return write


def run(out, **parameters):
    return reproduce.reproduce("tiny", {"size": "small", "out": str(out)} | parameters, out)


def test_a_whole_run_leaves_the_executed_notebook_and_its_page(notebook, tmp_path):
    notebook("import sys\nprint(size)\nprint('at work', file=sys.stderr)")
    executed = run(tmp_path / "out")
    assert executed == tmp_path / "out" / "executed" / "tiny.ipynb"
    book = nbformat.read(executed, 4)
    assert [output.text for output in book.cells[-1].outputs] == ["small\n"]
    assert "<html" in executed.with_suffix(".html").read_text()
    assert {path.name for path in executed.parent.iterdir()} == {"tiny.ipynb", "tiny.html"}


def test_places_on_this_machine_stay_out_of_the_executed_copy(notebook, tmp_path):
    notebook("print(f'read {data}, file://{out}/runs, {out}!')", "out, [data]")
    out = tmp_path / "o=t,"
    mocap = out / "mocap"  # a folder within another that is named as well
    executed = run(out, data=f"cmu={mocap},human36m={tmp_path}")
    for path in (executed, executed.with_suffix(".html")):
        assert str(tmp_path) not in path.read_text()
    outputs = nbformat.read(executed, 4).cells[-2].outputs
    assert outputs[0].text == f"read cmu=mocap,human36m={tmp_path.name}, file://o=t,/runs, o=t,!\n"


def test_a_short_path_takes_nothing_out_of_longer_words(notebook, tmp_path):
    notebook("print('posekit/data /data /database /data/cmu')")
    book = nbformat.read(run(tmp_path / "out", data="cmu=/data"), 4)
    assert book.cells[-1].outputs[0].text == "posekit/data data /database data/cmu\n"


def test_two_equal_runs_leave_the_same_bytes(notebook, tmp_path):
    notebook("import sys, time\nprint(1 + 1)\nprint(time.time(), file=sys.stderr)", "[1]")
    executed = run(tmp_path / "out")
    pair = executed, executed.with_suffix(".html")
    first = [path.read_bytes() for path in pair]
    run(tmp_path / "out")
    assert [path.read_bytes() for path in pair] == first


SHOWN = """
import subprocess, sys
print("a cell")
worker = "import sys; print('a worker', file=sys.stderr)"
subprocess.run([sys.executable, "-c", worker])
print("half a ", end="", file=sys.stderr, flush=True)
print("line", file=sys.stderr)
"""


def test_what_cells_and_workers_print_is_shown_once_and_nothing_else_is(notebook, tmp_path):
    notebook(SHOWN)
    start = (
        "import pathlib, sys; from posekit.cli import reproduce as jobs; "
        "jobs.NOTEBOOKS, out = map(pathlib.Path, sys.argv[1:]); jobs.reproduce('tiny', {}, out)"
    )
    words = [sys.executable, "-c", start, tmp_path / "notebooks", tmp_path / "out"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=system.ROOT)
    assert done.stdout == "a cell\n"
    assert done.stderr == "a worker\nhalf a line\n"


def test_the_kernel_ends_with_the_run(notebook, tmp_path):
    notebook("import os\nprint(os.getpid())")
    book = nbformat.read(run(tmp_path / "out"), 4)
    with pytest.raises(ProcessLookupError):
        os.kill(int(book.cells[-1].outputs[0].text), 0)


def test_a_failing_cell_is_told_and_the_old_copy_stays(notebook, tmp_path):
    notebook("print('good')")
    executed = run(tmp_path / "out")
    before = executed.read_bytes()
    notebook("print('new')", "raise KeyError('joint 18')", "print('never')")
    told = r"tiny.ipynb failed in cell \[4\], `raise KeyError\('joint 18'\)`: KeyError: 'joint 18'"
    with pytest.raises(RuntimeError, match=told):
        run(tmp_path / "out")
    assert executed.read_bytes() == before


def test_a_killed_kernel_is_told_with_the_remedy(notebook, tmp_path):
    notebook("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "print('never')")
    with pytest.raises(RuntimeError, match="died.*run the same command again"):
        run(tmp_path / "out")
    assert not (tmp_path / "out" / "executed" / "tiny.ipynb").exists()


def test_the_command_to_do_it_by_hand_does_it(notebook, tmp_path):
    notebook("print(size, [out, data])")
    given = {"size": "it's small", "out": str(tmp_path / "two words"), "data": ""}
    words = shlex.split(reproduce.command(tmp_path / "notebooks" / "tiny.ipynb", given))
    assert words[:3] == [sys.executable, "-m", "papermill"]
    subprocess.run(words, check=True, cwd=tmp_path, capture_output=True)
    book = nbformat.read(tmp_path / "tiny-out.ipynb", 4)
    assert book.cells[-1].outputs[0].text == f"it's small ['{tmp_path}/two words', '']\n"


def test_the_command_has_what_the_run_gets_by_its_environment(tmp_path):
    how = {"on": "slurm:partition=a b,gpus=1", "together": 4, "hours": 0.5}
    line, begun = reproduce.command(tmp_path / "tiny.ipynb", {}, **how), int(time.time())
    before = line[: line.index(sys.executable)]
    names = ("POSEKIT_ON", "POSEKIT_PROCESSES", "POSEKIT_UNTIL")
    words = ["sh", "-c", f"{before}printenv {' '.join(names)}"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    on, together, until = done.stdout.splitlines()
    assert (on, together) == ("slurm:partition=a b,gpus=1", "4")
    assert begun <= int(until) - 1800 <= time.time()


def test_data_sets_are_split_as_the_notebooks_split_them(notebook, tmp_path):
    """A comma begins the next data set or is part of a folder's name."""
    notebook()
    words = [f"cmu={tmp_path / 'a,b'}", f"human36m={tmp_path / 'c'}"]
    for folder in ("a,b", "c"):
        (tmp_path / folder).mkdir()
    for given in (words, [",".join(words)]):
        chosen, parameters = reproduce.asked(["tiny"], "small", given)
        assert chosen == ["tiny"] and parameters["data"] == ",".join(words)
    for data in (",".join(words), *words):
        assert reproduce.shares(reproduce.notebooks(), {"data": data}) == {"tiny": {"data": data}}


def test_an_unknown_parameter_is_refused_before_anything_runs(notebook, tmp_path):
    notebook("raise AssertionError('must not run')")
    with pytest.raises(ValueError, match="no parameter epochs; there are size, out, data"):
        run(tmp_path / "out", epochs=3)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"device": "tpu"}, "no device 'tpu'"),
        ({"data": "mocap={}"}, "'mocap=.*' is not NAME=FOLDER with a name of human36m, cmu"),
        ({"data": "cmu={}"}, "cmu=.*: skeletons missing: "),
        ({"data": "human36m={}"}, "human36m=.*: preparation missing: "),
        ({"data": "cmu={}/gone"}, "there is no folder .*gone for cmu"),
    ],
)
def test_data_and_devices_that_cannot_be_used_are_refused(tmp_path, given, fault):
    given = {name: text.format(tmp_path) for name, text in given.items()}
    with pytest.raises((ValueError, FileNotFoundError), match=fault):
        reproduce.check_inputs({"data": "", "device": ""} | given)


def test_data_that_is_there_is_not_refused(tmp_path, shared):
    reproduce.check_inputs({"data": f"cmu={shared / 'cmu_mocap'}", "device": "cpu"})


def test_one_part_of_a_data_set_is_enough_to_begin(tmp_path):
    """MPI-INF-3DHP's test takes without the 25 GB to train on."""
    frames = {"frames": 2, "valid": (1, 0), "activities": (1, 0)}
    for number in range(1, 7):
        write_test(tmp_path, f"TS{number}", **frames)
    reproduce.check_inputs({"data": f"mpi_inf_3dhp={tmp_path}", "device": "cpu"})
    for picture in tmp_path.glob("TS*/imageSequence/*.jpg"):
        picture.unlink()
    with pytest.raises(ValueError, match="mpi_inf_3dhp=.*: S1/Seq1 missing"):
        reproduce.check_inputs({"data": f"mpi_inf_3dhp={tmp_path}", "device": "cpu"})


def test_an_unknown_paper_is_named(notebook, tmp_path):
    notebook()
    with pytest.raises(ValueError, match="no notebook for paper 'kim'; there are tiny"):
        reproduce.reproduce("kim", {}, tmp_path / "out")


def test_a_results_folder_that_is_a_file_is_named(notebook, tmp_path):
    notebook("print(1)")
    (tmp_path / "out").write_text("not a folder")
    with pytest.raises(OSError, match="can't write in .*out.*choose another --out"):
        run(tmp_path / "out")


def test_preparing_runs_the_cells_up_to_the_last_that_reads_data_before_a_training(
    notebook, tmp_path
):
    note = f"open(r'{tmp_path}/{{}}', 'w').write(size + out)  # study.data"
    notebook(note.format("read"), "1 / 0", "study.train(1)", note.format("late"))
    [line] = reproduce.prepare(["tiny"], {"size": "small", "data": ""})
    assert line.startswith("tiny: its pictures are kept; ")
    assert (tmp_path / "read").read_text() == "small" and not (tmp_path / "late").exists()
    assert [path.name for path in reproduce.NOTEBOOKS.iterdir()] == ["tiny.ipynb"]


def test_a_notebook_whose_time_is_up_says_what_is_left_and_leaves_the_results(
    notebook, tmp_path, command
):
    notebook("from posekit.system import *", "raise OutOfTime('2 of 3 runs are left')")
    words = ("reproduce", "--size", "smoke", "--out", tmp_path / "out", "--hours", "0.5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reproduce, "shares", lambda chosen, given: {"tiny": {"size": given["size"]}})
        patch.setenv("POSEKIT_UNTIL", "")
        status, said, _ = command(*words)
    assert status == 0 and "the time is up. tiny: 2 of 3 runs are left" in said
    assert "the same command goes on" in said
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
