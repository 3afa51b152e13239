"""The page of networks that were held against the published code."""

from posekit.report.parity import parity_page


def test_a_network_is_a_row_with_its_code_and_difference():
    record = {
        "project": "some/net",
        "commit": "0123456789" * 4,
        "compared": "output 4 of 1 picture of 32 px",
        "largest": 1.234e-6,
        "covers": {"kim": ["original", "reduced"]},
        "outputs": {},
    }
    page = parity_page({"Their net": record})
    address = f"https://github.com/some/net/tree/{record['commit']}"
    row = f"| Their net | [some/net]({address}) | 0123456 | output 4 of 1 picture of 32 px | 1e-06 "
    assert f"{row}| kim: original, reduced |" in page
    assert page.startswith("# Held against the published code")
    assert "## Networks" in page and "Metrics" not in page.partition("## Networks")[2]
    rule = record | {"decides": {"kim": ["loss_error/original"]}, "largest": 0.0}
    del rule["covers"]
    page = parity_page({"Their net": record, "Their loss": rule})
    networks, _, rules = page.partition("## Metrics and losses")
    assert "| Their net |" in networks and "| Their net |" not in rules
    assert "| Their loss |" in rules and "| 0 | kim: loss\\_error/original |" in rules
