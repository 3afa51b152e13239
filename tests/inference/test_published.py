"""Published checkpoints are recognised, converted, and give the numbers that their projects give."""

import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from builders import published, published_bodies
from builders.published import randomise

from posekit.data.formats.pickles import Refused
from posekit.inference.published import convert, read_state
from posekit.models import checkpoint
from posekit.models.integral import from_cube

MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def standardised(pictures):
    return (pictures - MEAN[:, None, None]) / DEVIATION[:, None, None]


def saved(network, path, entry="network", prefix="module.", **others):
    state = {prefix + name: value for name, value in network.state_dict().items()}
    torch.save({"epoch": 24, entry: state} | others, path)
    return path


def pictures(side=256):
    torch.manual_seed(1)
    return torch.rand(1, 3, side, side)


def written(path, layout=""):
    """What `convert` makes of a file, and the line that it says."""
    said = convert(path, layout)
    return checkpoint.load(path.with_name(f"{path.name.partition('.')[0]}.safetensors")), said


def check_volumes(network, path, inputs, *, side=256, depth=64, cells=64, layout="", says=""):
    """posekit's joints are those of the labels: voxel v at the pixel v * side / cells of the crop."""
    found, said = written(path, layout)
    assert says in said
    crops = pictures(side)
    with torch.no_grad():
        voxels = network(inputs(crops))
        pixels, depths = from_cube(found.network(crops).double(), (side, side))
    assert voxels.std(dim=1).min() > 1e-3  # the joints differ
    assert (pixels - voxels[..., :2] * side / cells).abs().max() < 0.01
    assert (depths - (voxels[..., 2] / depth - 0.5) * 2000).abs().max() < 0.2
    return found


@pytest.mark.parametrize(
    ("layout", "joints", "how"),
    [
        ("modified", 18, {"width": 0.25}),
        ("modified", 21, {"width": 0.25, "skip": False}),
        ("half", 21, {"width": 0.25}),
    ],
)
def test_mobilehumanpose(layout, joints, how, tmp_path):
    network = randomise(published.mobilehumanpose(layout, joints, **how))
    path = saved(network, tmp_path / "snapshot_24.pth.tar", optimizer={"state": {}})
    size = 32 if layout == "half" else 64
    raw = lambda crops: standardised(255 * crops)  # 0 to 255 as if up to 1
    found = check_volumes(
        network, path, raw, depth=size, cells=size, says=f"mobilehumanpose-{layout}, "
    )
    assert found.skeleton == {18: "Moon-18", 21: "MuCo-21"}[joints]
    assert "MobileHumanPose" in found.about.origin and len(found.about.source) == 64


def test_3dmppe(tmp_path):
    network = randomise(published.moon())
    path = saved(network, tmp_path / "snapshot.tar")
    found = check_volumes(
        network, path, lambda crops: standardised(255 * crops), says="3dmppe-resnet18"
    )
    assert found.skeleton == "Moon-18"


@pytest.mark.parametrize(
    ("variant", "how", "layout"),
    [
        ("ppm2", {"bottleneck": published.ppm((1, 6, 12, 18))}, "eth-ppm2"),
        ("aspp3", {"bottleneck": published.aspp(1, (6, 12, 18), pooled=False)}, ""),
        ("botnet-plain", {"attention": 256}, "eth"),
    ],
)
def test_eth(variant, how, layout, tmp_path):
    depth = how.get("depth", 72)
    network = randomise(published.eth(**how))
    path = saved(network, tmp_path / "140_checkpoint.pth", "model_state_dict", "")
    says = f"eth-{variant}, "
    check_volumes(network, path, standardised, depth=depth, layout=layout, says=says)


def test_what_two_networks_of_the_same_sizes_may_be_is_asked_for(tmp_path):
    network = published.eth(bottleneck=published.ppm((1, 6, 12, 18)))
    path = saved(network, tmp_path / "net.pth", "model_state_dict", "")
    with pytest.raises(ValueError, match="may be eth-ppm or eth-ppm2: say which with --layout"):
        convert(path)
    with pytest.raises(ValueError, match="not of the layout spin"):
        convert(path, "spin")
    with pytest.raises(ValueError, match="no layout 'alexnet'; supported are mobilehumanpose: "):
        convert(path, "alexnet")


@pytest.mark.parametrize("name", ["spin", "bae"])
def test_bodies(name, tmp_path):
    kind = {"spin": published_bodies.SpinHMR, "bae": published_bodies.MyMobileNetV2}[name]
    network = randomise(kind())
    path = saved(network, tmp_path / "model_checkpoint.pt", "model", "", total_step_count=7)
    found, said = written(path)
    assert found.kind == "mesh" and f"{name}-" in said and found.side == 224
    crops = pictures(224)
    with torch.no_grad():
        expected, made = network(standardised(crops)), found.network(crops)
    for mine, theirs in zip(made, expected, strict=True):
        assert (mine - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_old_files_without_counters_of_batches_are_converted(tmp_path):
    network = randomise(published_bodies.MyMobileNetV2())
    state = {n: v for n, v in network.state_dict().items() if "num_batches" not in n}
    torch.save({"model": state}, tmp_path / "old.pt")
    assert written(tmp_path / "old.pt")[0].kind == "mesh"


def test_the_hourglass_of_kim_s_base_project(tmp_path):
    """It saw BGR / 256, and its joints lie in the cell floor(px / 4)."""
    network = randomise(published_bodies.StackedHourGlass())
    path = saved(network, tmp_path / "model_9.pth", "model_state", "")
    found, _ = written(path)
    crops = pictures()
    with torch.no_grad():
        expected = network((crops * 255).flip(1) / 256)
        made = found.network(crops)
    assert (made - expected).abs().max() < 1e-4 * expected.abs().max()
    assert found.about.offset == (0.5, 0.5, 0) and found.skeleton == "MPII-16"


# ---- EvoSkeleton ---------------------------------------------------------------------------------
@pytest.fixture
def cascade(tmp_path, monkeypatch):
    """A cascade, its file of whole modules in either container, and statistics beside it."""
    modules = [types.ModuleType(name) for name in ("libs", "libs.model", "libs.model.model")]
    for module in modules:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for kind in (published_bodies.FCModel, published_bodies.ResidualBlock):
        setattr(modules[-1], kind.__name__, kind)
    network = torch.nn.ModuleList(
        randomise(published_bodies.FCModel(blocks=3)) for _ in range(2)
    ).eval()
    generator = np.random.default_rng(0)
    used = {"2d": np.arange(34), "3d": np.arange(3, 51)}
    stats = {f"dim_use_{key}": value for key, value in used.items()}
    for key, count in (("2d", 64), ("3d", 96)):
        stats[f"mean_{key}"] = generator.normal(500, 50, count)
        stats[f"std_{key}"] = generator.uniform(50, 150, count)
    np.save(tmp_path / "stats.npy", stats, allow_pickle=True)
    return network, stats


@pytest.mark.parametrize("container", ["zip", "row", "weights"])
def test_a_cascade_of_whole_modules(container, cascade, tmp_path):
    network, stats = cascade
    path = tmp_path / "model.th"
    if container == "weights":
        torch.save(network.state_dict(), path)
    else:
        torch.save(network, path, _use_new_zipfile_serialization=container == "zip")
    found, said = written(path)
    assert found.kind == "lifting" and "evoskeleton-cascade" in said
    pose = 500 + 100 * torch.rand(5, 17, 2)
    known = {key: torch.from_numpy(value) for key, value in stats.items()}
    used = {key: known[f"dim_use_{key}"] for key in ("2d", "3d")}
    flat = pose.flatten(1).double()
    scaled = (flat - known["mean_2d"][used["2d"]]) / known["std_2d"][used["2d"]]
    with torch.no_grad():
        residuals = sum(stage(scaled.float()) for stage in network)
        made = found.network(pose)
    expected = residuals * known["std_3d"][used["3d"]] + known["mean_3d"][used["3d"]]
    assert (made[:, 1:].flatten(1) - expected).abs().max() < 0.01
    assert (made[:, 0] == 0).all()


def test_cascades_that_work_in_another_way_are_refused(cascade, tmp_path):
    network, _ = cascade
    path = tmp_path / "model.th"
    network[1].leaky = True
    torch.save(network, path)
    with pytest.raises(ValueError, match="model.th was trained with leaky"):
        convert(path)
    torch.save(published_bodies.nn.ModuleList([published_bodies.FCModel(inputs=32)]), path)
    with pytest.raises(ValueError, match="take 32 numbers of a pose; only those of the 17 joints"):
        convert(path)
    network[1].leaky = False
    torch.save(network, path)
    (tmp_path / "stats.npy").unlink()
    with pytest.raises(FileNotFoundError, match="model.th needs the stats.npy that was saved"):
        convert(path)


@pytest.mark.parametrize("new", [True, False])
def test_nothing_that_a_file_asks_for_is_run(new, tmp_path):
    class Evil:
        def __reduce__(self):
            return (type(tmp_path).touch, (tmp_path / "ran",))

    path = tmp_path / "net.pth"
    torch.save({"network": Evil()}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(Refused, match=r"net.pth: asks for .* It was refused and nothing was run"):
        convert(path)
    assert not (tmp_path / "ran").exists()


def test_what_is_of_no_layout_shows_what_it_looks_like(tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"state_dict": {"stem.weight": torch.zeros(3, 4)}}, path)
    with pytest.raises(ValueError, match=r"1 tensors, such as stem.weight \(3, 4\); supported are"):
        convert(path)
    torch.save({"a": 1, "b": "text"}, path)
    with pytest.raises(ValueError, match="has no weights by name, but a, b; supported are"):
        convert(path)
    torch.save({"decpose.weight": torch.zeros(3, 4)}, path)
    with pytest.raises(ValueError, match="it is like spin's, but .* tensors are not those"):
        convert(path)
    with pytest.raises(FileNotFoundError, match="there is no file .*other.pth"):
        convert(tmp_path / "other.pth")
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    with pytest.raises(ValueError, match="picture.jpg is no file of torch.save: it begins with"):
        convert(tmp_path / "picture.jpg")
    network = published_bodies.MyMobileNetV2()
    saved(network, path, "model", "")
    (tmp_path / "there.safetensors").touch()
    with pytest.raises(FileExistsError, match="there.safetensors is there already"):
        convert(path, out=tmp_path / "there.safetensors")


@pytest.mark.parametrize("new", [True, False])
def test_damaged_files_of_modules_are_named(new, cascade, tmp_path):
    network, _ = cascade
    path = tmp_path / "model.th"
    torch.save(network, path, _use_new_zipfile_serialization=new)
    whole = path.read_bytes()
    for content in (b"", b"\x80\x02}.", whole[:-100], whole[: len(whole) // 2], whole[:40]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"model.th"):
            read_state(path)


def test_archives_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("posekit.inference.published.LARGEST", 1000)
    with zipfile.ZipFile(tmp_path / "net.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", bytes(100_000))
    with pytest.raises(ValueError, match="net.pth has more than 1,000 bytes"):
        read_state(tmp_path / "net.pth")


def test_the_command(command, tmp_path):
    saved(randomise(published_bodies.MyMobileNetV2()), tmp_path / "net.pt", "model", "")
    code, said, error = command("data", "convert-checkpoint", tmp_path / "net.pt")
    assert code == 0 and "wrote" in said and not error
    code, _, error = command("data", "convert-checkpoint", tmp_path / "net.pt")
    assert code == 1 and error.startswith("posekit: ") and "already" in error
