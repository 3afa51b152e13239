"""Counts in networks and losses that equal the published code are E2, everything else is not."""

import json

import pytest

from posekit.claims import published
from posekit.claims.published import equal_to_published


@pytest.mark.parametrize(
    ("paper", "quantities", "equal"),
    [
        ("choi2021", ["params/large"], True),
        ("choi2021", ["params/large", "macs/concat-none"], True),
        ("bouchiat", ["kernel/final/deconvs"], True),
        ("choi2021", ["params/large", "params/large-relu"], False),  # the second is not published
        ("choi2021", ["recipe_lr/large"], False),  # a setting of the training
        ("choi2021", ["latency_ms/large/cpu"], False),  # a time
        ("kim", ["stem_params/reduced"], False),
        ("kim", ["params/large"], False),  # another paper's
        ("choi2021", ["loss_error/large", "flat_gradient/large"], True),  # the loss was compared
        ("choi2021", ["loss_error/large", "flat_depth/large"], False),  # the targets were not
        ("tran2022", ["loss_error/ours"], False),
        ("nobody", ["params/large"], False),
    ],
)
def test_counts_in_networks_that_equal_the_published_ones(paper, quantities, equal):
    assert equal_to_published(paper, quantities) is equal


def test_records_are_read_where_they_are(tmp_path):
    assert published.records(tmp_path) == {}
    (tmp_path / published.RECORDS).write_text(json.dumps({"a net": {"project": "o/n"}}))
    assert published.records(tmp_path) == {"a net": {"project": "o/n"}}
