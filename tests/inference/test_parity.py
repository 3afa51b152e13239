"""Networks, metrics and losses give the published code's numbers, kept as digests."""

import json
import math
import zlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from posekit.claims import published
from posekit.inference import parity, parity_rules
from posekit.inference.parity import CASES, RULES, apart, digest, numbers

KNOWN = published.records()


def from_digest(made, known):
    """How far outputs lie from a digest, in root mean squares of the output."""
    own = digest(made)
    if {n: d["shape"] for n, d in own.items()} != {n: d["shape"] for n, d in known.items()}:
        raise ValueError(f"outputs {list(own)} here, {list(known)} in the digest, or other shapes")
    return max(
        abs(a - b) / known[name]["rms"]
        for name in own
        for a, b in zip(
            [own[name]["rms"], *own[name]["values"]],
            [known[name]["rms"], *known[name]["values"]],
            strict=True,
        )
    )


@pytest.mark.parametrize("name", CASES)
def test_the_network_gives_the_published_outputs(name):
    record = KNOWN[name]
    assert record["commit"] == CASES[name].commit and record["largest"] < 1e-4
    assert from_digest(parity.ours(CASES[name]), record["outputs"]) < parity.TOLERANCE


@pytest.mark.parametrize("name", RULES)
def test_a_metric_or_a_loss_gives_the_published_numbers(name):
    record, rule = KNOWN[name], RULES[name]
    assert (record["commit"], record["compared"]) == (rule.commit, rule.compared)
    assert record["largest"] < 1e-5
    assert from_digest(parity.ours(rule), record["outputs"]) < 3e-5


def test_other_rules_are_told_apart(monkeypatch):
    """A scale more in the alignment, another mean, z of flat pictures, a slant of the rows."""

    def apart_from(name):
        return from_digest(RULES[name].ours(), KNOWN[name]["outputs"])

    protocols = parity_rules.PROTOCOLS
    similar = replace(protocols["h36m-moon-p1"], alignment="similarity")
    mean = replace(protocols["h36m-evoskeleton-p1"], zero_columns=0)
    changed = {"h36m-moon-p1": similar, "h36m-evoskeleton-p1": mean}
    monkeypatch.setattr(parity_rules, "PROTOCOLS", protocols | changed)
    straight = replace(parity_rules.PCKH_PROTOCOLS["mpii-naman-pckh"], slant=0.0)
    monkeypatch.setattr(parity_rules, "PCKH_PROTOCOLS", {"mpii-naman-pckh": straight})
    taught = parity_rules.joint_loss
    monkeypatch.setattr(parity_rules, "joint_loss", partial(taught, z_of_2d="zero"))
    for name in (
        "MobileHumanPose, PA-MPJPE",
        "EvoSkeleton, P1",
        "Naman, PCKh",
        "ETH, loss of joints",
    ):
        assert apart_from(name) > 1e-3, name
    assert apart_from("MobileHumanPose, loss") > 1e-3
    assert apart_from("MobileHumanPose, MPJPE") < 1e-5


def test_another_network_is_told_apart():
    """Kim et al.'s reduced first layers, one stage less, one weight changed: the digest sees it."""
    name = "EvoSkeleton, 3 stages of 3 blocks"
    made = parity.ours(CASES[name])["output"]
    known = KNOWN[name]["outputs"]
    assert from_digest({"output": made}, known) < 1e-5
    assert from_digest({"output": made * 1.01}, known) > 2e-3
    with pytest.raises(ValueError, match="or other shapes"):
        from_digest({"output": made[:, 1:]}, known)
    with pytest.raises(ValueError, match="outputs .* here, .* there"):
        apart({"output": made}, {"output": made[:, 1:]})
    assert apart({"output": made + 1}, {"output": made}) == pytest.approx(
        1 / made.double().square().mean().sqrt().item(), rel=1e-5
    )


def test_the_numbers_are_those_that_the_documentation_describes():
    u = np.random.RandomState([0, zlib.crc32(b"encoder.conv1.weight")]).uniform(-1, 1, (8, 3, 7, 7))
    expected = torch.from_numpy(u.astype(np.float32)) * math.sqrt(3 / (3 * 7 * 7))
    assert torch.equal(numbers("encoder.conv1.weight", (8, 3, 7, 7)), expected)
    for name, low, high in [
        ("a.weight", 0.6, 1.4),
        ("a.running_var", 0.6, 1.4),
        ("a.bias", -0.2, 0.2),
    ]:
        values = numbers(name, (1000,))
        assert low <= values.min() < low + 0.01 and high - 0.01 < values.max() <= high
    assert numbers("a.num_batches_tracked", ()).dtype == torch.int64


def test_digests_keep_shape_size_and_values():
    made = digest({"output": torch.arange(-50.0, 51.0)[None]})["output"]
    assert made["shape"] == [1, 101] and made["rms"] == pytest.approx(29.1548, rel=1e-5)
    assert (made["values"][0], made["values"][-1], len(made["values"])) == (-50, 50, 24)


def test_records_name_commits_and_claims_that_there_are():
    from posekit.claims.paper import load_paper, slugs

    text = parity.RECORDS.read_text()
    assert list(json.loads(text)) == list(parity.ALL)
    for record in KNOWN.values():
        covers, decides = record.get("covers", {}), record.get("decides", {})
        assert len(record["commit"]) == 40 and covers.keys() | decides.keys() <= set(slugs())
        for paper, quantities in decides.items():
            named = {q for claim in load_paper(paper).claims for p in claim.parts for q in p.names}
            assert set(quantities) <= named


def test_a_folder_without_clones_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="has no clone of Naman-ntc/.*nkolot/SPIN, una-dino"
    ):
        parity.measure(tmp_path)
    (tmp_path / "SPIN").mkdir()
    with pytest.raises(FileNotFoundError, match="SPIN has no models, utils at commit 2476c43"):
        parity.measure(tmp_path, tmp_path / "parity.json")
