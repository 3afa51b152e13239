"""Soft-argmax against its definition in float64, on the CPU and in the CUDA kernels.

The kernels run on a GPU where there is one, and with TRITON_INTERPRET=1 in Triton's interpreter.
"""

import os
import random
import sys
from importlib.util import find_spec

import pytest
import torch

from posekit.cli import bench_soft_argmax
from posekit.models.soft_argmax import CACHED, InCache, soft_argmax

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1" and find_spec("triton") is not None
WAYS = ["cache", *(["kernels"] if torch.cuda.is_available() or INTERPRETED else [])]
pytestmark = pytest.mark.parametrize("way", WAYS)
SHAPES = [
    (2, 3, 64, 64, 64),
    (2, 1, 6, 7),
    (3, 2, 12, 9, 17),
    (4, 1, 1, 33),
    (3, 1, 1, 2500),
    (5, 1, 1, 1),
    (8, 8, 8),
]
INF, NAN = float("inf"), float("nan")


@pytest.fixture
def places(way):
    """soft_argmax with its answer on the CPU, by one of the two ways."""
    if way == "cache":
        return soft_argmax
    if torch.cuda.is_available():
        return lambda logits: soft_argmax(logits.cuda()).cpu()
    from posekit.models.soft_argmax_cuda import InKernels

    return InKernels.apply


def defined(logits):
    """The definition: softmax over the whole volume, marginal sums, indices times those."""
    logits = logits.double()
    p = logits.flatten(-3).softmax(-1).view(logits.shape)
    means = []
    for axis in (-1, -2, -3):
        marginal = p.sum([other for other in (-1, -2, -3) if other != axis])
        means.append((marginal * torch.arange(logits.shape[axis]).double()).sum(-1))
    return torch.stack(means, -1)


def both(places, logits):
    """Places and gradients of a random linear function: ours, and by the definition."""
    ours = logits.detach().requires_grad_()
    found, exact = places(ours), defined(wide := logits.double().requires_grad_())
    weight = torch.randn(exact.shape, generator=torch.Generator().manual_seed(1)).double()
    (found * weight.to(found.dtype)).sum().backward()
    (exact * weight).sum().backward()
    return found.detach(), exact.detach(), ours.grad, wide.grad


def relative(a, b):
    return ((a.double() - b.double()).abs().max() / b.double().abs().max()).item()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_equals_the_definition(places, shape, spread):
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * spread
    found, exact, slope, exact_slope = both(places, logits)
    assert found.shape == (*shape[:-3], 3) and found.dtype == torch.float32
    assert (found - exact).abs().max() < max(1e-5, 6e-8 * max(shape))  # half a step of float32
    assert relative(slope, exact_slope) < 1e-5 or exact_slope.abs().max() < 1e-6


@pytest.mark.parametrize("depth", [3.7, 8.3, 12.1, 16.0, 16.9, 17.3])
def test_a_peak_over_a_floor_keeps_its_digits(places, depth):
    # Every voxel of the floor has the same rounding error here: none cancels another.
    logits = torch.full((2, 64, 64, 64), -depth)
    logits[0, 63, 0, 63] = logits[1, 0, 1, 5] = 0
    assert (places(logits) - defined(logits)).abs().max() < 1e-5


def test_x_is_the_last_axis(places):
    logits = torch.full((1, 5, 6, 7), -1e4)
    logits[0, 4, 2, 3] = 1e4  # z, y, x
    assert places(logits).tolist() == [[3, 2, 4]]


@pytest.mark.parametrize("value", [-1e4, 0.0, 1e4])
def test_all_equal_lies_in_the_middle(places, value):
    middle = torch.tensor([7.5, 4.0, 15.5])
    assert (places(torch.full((2, 32, 9, 16), value)) - middle).abs().max() < 1e-6


def test_extreme_logits(places):
    logits = torch.randn(4, 16, 16, 16, generator=torch.Generator().manual_seed(0)) * 1e4
    logits[1] = -1e4
    logits[1, 3, 4, 5] = logits[1, 5, 4, 3] = 1e4
    found, exact, slope, exact_slope = both(places, logits)
    assert (found - exact).abs().max() < 1e-5 and found[1].tolist() == [4, 4, 4]
    assert (slope - exact_slope).abs().max() < 1e-5


def test_masked_voxels_have_no_weight(places):
    logits = torch.randn(3, 40, 16, 32, generator=torch.Generator().manual_seed(0))
    logits[0, :33] = -INF  # whole tiles of the kernels
    logits[1, :, ::2] = -INF
    logits[2] = -INF
    logits[2, 7, 8, 9] = -1e4
    found, exact, slope, exact_slope = both(places, logits)
    assert (found - exact).abs().max() < 1e-5 and found[2].tolist() == [9, 8, 7]
    assert relative(slope, exact_slope) < 1e-5
    assert (slope[logits == -INF] == 0).all()


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_no_mean_place_is_said(way, places, value):
    logits = torch.zeros(2, 3, 4, 4, 4)
    if value == -INF:
        logits[1, 0] = value
    else:
        logits[1, 0, 2, 2, 2] = value
    if way == "cache":
        with pytest.raises(ValueError, match=r"1 of the heatmaps, the first at \(1, 0\)"):
            places(logits)
    else:
        found = places(logits)
        assert found[1, 0].isnan().all() and found.isnan().sum() == 3


def test_slopes_by_differences(places):
    logits = torch.randn(2, 3, 2, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(places, logits)
    assert places(logits).dtype == torch.float64


def test_no_slopes_of_slopes(places):
    logits = torch.randn(2, 4, 4, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(places(logits).square().sum(), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="twice"):
        slope.square().sum().backward()


def layouts():
    """The same logits as networks leave them; D and h and w all differ."""
    B, J, D, h, w = 2, 3, 8, 10, 6
    dense = torch.randn(B, J, D, h, w, generator=torch.Generator().manual_seed(0))
    flat = dense.reshape(B, J * D, h, w)
    around = torch.zeros(B, J + 2, D, h + 1, 2 * w)
    around[:, 1:-1, :, 1:, ::2] = dense
    return {
        "contiguous": dense,
        "channels last": flat.to(memory_format=torch.channels_last).view(B, J, D, h, w),
        "joints last": dense.to(memory_format=torch.channels_last_3d),
        "turned": dense.mT.contiguous().mT,
        "cut out": around[:, 1:-1, :, 1:, ::2],
        "batch turned": dense.transpose(0, 1).contiguous().transpose(0, 1),
        "the same twice": dense[:1].expand(B, J, D, h, w),
    }


@pytest.mark.parametrize("name", list(layouts()))
def test_every_layout(way, places, name):
    logits = layouts()[name]
    found, exact, slope, exact_slope = both(places, logits)
    assert (found - exact).abs().max() < 1e-5
    assert relative(slope, exact_slope) < 1e-5
    if name == "channels last":
        direct = logits.detach().requires_grad_()
        (out,) = torch.autograd.grad(places(direct).sum(), direct)
        assert out.stride() == logits.stride()  # or the convolution before would copy it


def test_an_axis_of_one_may_have_any_stride(places):
    turned = torch.randn(2, 3, 1, 4, 6).transpose(2, 3)  # contiguous but for that axis' stride
    found, exact, slope, exact_slope = both(places, turned)
    assert (found - exact).abs().max() < 1e-5 and relative(slope, exact_slope) < 1e-5


@pytest.mark.parametrize("seed", range(20))
def test_random_shapes_and_layouts(places, seed):
    """Any axes in any order in memory, some cut from larger ones, some of one element."""
    choose = random.Random(seed).choice
    torch.manual_seed(seed)
    shape = [choose([1, 2, 3]) for _ in range(choose([0, 1, 2, 3]))]
    shape += [choose([1, 2, 7, 16]) for _ in range(3)]
    order = torch.randperm(len(shape)).tolist()
    stored = torch.randn([shape[axis] * choose([1, 1, 2]) for axis in order], dtype=torch.float64)
    logits = stored.permute([order.index(axis) for axis in range(len(shape))])
    logits = logits[tuple(slice(size) for size in shape)]
    found, exact, slope, exact_slope = both(places, logits)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-12)
    torch.testing.assert_close(slope, exact_slope, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_sixteen_bits_are_computed_in_thirty_two(places, kind):
    logits = (torch.randn(2, 32, 32, 32) * 3).to(kind)
    found, exact, slope, exact_slope = both(places, logits)
    assert found.dtype == torch.float32 and (found - exact).abs().max() < 1e-5
    assert slope.dtype == kind
    assert relative(slope, exact_slope) < torch.finfo(kind).eps


def test_under_autocast(places):
    logits = torch.randn(2, 16, 16, 16, requires_grad=True)
    device = "cuda" if torch.cuda.is_available() and places is not soft_argmax else "cpu"
    with torch.autocast(device, torch.bfloat16):
        found = places(logits)
        found.sum().backward()
    assert found.dtype == torch.float32 and (found - defined(logits)).abs().max() < 1e-5


@pytest.mark.parametrize("batch", [(0,), (4, 0), (0, 3)])
def test_an_empty_batch(places, batch):
    logits = torch.zeros(*batch, 4, 5, 6, requires_grad=True)
    found = places(logits)
    found.sum().backward()
    assert found.shape == (*batch, 3) and logits.grad.shape == logits.shape


def test_logits_without_a_volume_are_refused(way):
    with pytest.raises(ValueError, match=r"logits of shape \(2, 0, 4\) hold no volume"):
        soft_argmax(torch.zeros(2, 0, 4))


def test_many_small_and_few_large(way, places):
    many = torch.randn(2 * CACHED // 64 + 7 if way == "cache" else 99, 4, 4, 4)
    assert (places(many) - defined(many)).abs().max() < 1e-5
    large = torch.randn(1, 70, 72, 90)
    assert (places(large) - defined(large)).abs().max() < 1e-5


def test_nothing_of_the_size_of_the_logits_is_kept(way):
    """All that is saved: the logits themselves and the places."""
    if way == "kernels":
        pytest.skip("what the cache way saves")
    logits = torch.randn(4, 16, 16, 16, requires_grad=True)
    found = InCache.apply(logits)
    saved = found.grad_fn.saved_tensors
    assert saved[0].data_ptr() == logits.data_ptr()
    assert sum(tensor.numel() for tensor in saved[1:]) == found.numel()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's count of memory")
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_memory_beyond_the_logits_is_the_gradient(way, layout):
    """Channels_last logits must not be copied on the way, nor probabilities be kept."""
    if way == "kernels":
        pytest.skip("the processor's memory")
    assert 0.9 < bench_soft_argmax.memory("one pass", 8, 9, layout) < 1.3


def test_the_benchmark_prints_what_it_measured_and_what_not(way, capsys, monkeypatch):
    if way == "kernels":
        pytest.skip("prints both")
    monkeypatch.setattr(bench_soft_argmax, "memory", lambda *_: 1.0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    bench_soft_argmax.cpu((1,), 1, joints=1)
    bench_soft_argmax.gpu()
    printed = capsys.readouterr().out
    assert all(f"{layout}, one pass: " in printed for layout in ("contiguous", "channels_last"))
    assert "GPU: skipped" in printed


def test_the_benchmark_counts_three_transfers(way, capsys, monkeypatch):
    """Its GPU part walks through here on the CPU; only the clock and the memory are made up."""
    if way == "kernels":
        pytest.skip("prints both")
    make = bench_soft_argmax.volumes
    monkeypatch.setattr(bench_soft_argmax, "STEPS", 1)
    monkeypatch.setattr(bench_soft_argmax, "volumes", lambda *given: make(*given[:4]))
    times = {"plain": 0.006, "one pass": 0.002, "copy": 0.001}
    monkeypatch.setattr(
        bench_soft_argmax,
        "median_seconds",
        lambda ways, rounds=5: {name: times[name] for name in ways if ways[name]() is None},
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    for name in ("synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    for name in ("memory_allocated", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda: 0)
    bench_soft_argmax.gpu(batches=(1,), joints=1)
    rows = [row for row in capsys.readouterr().out.splitlines() if "one pass" in row]
    assert len(rows) == 4
    assert all("3.00x the plain" in row and "75% of the copy" in row for row in rows)
