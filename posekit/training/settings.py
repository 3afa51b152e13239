"""The sizes of a paper's experiments: papers/<slug>/settings.csv, one row a setting.

Columns: setting; smoke, small, medium, large, paper, each with a value in JSON; meaning.
"""

import json
from pathlib import Path

import pandas as pd

from posekit.claims.paper import FOLDER, read_table
from posekit.claims.paper import WITH_SMOKE as SIZES

COLUMNS = ("setting", *SIZES, "meaning")


def load_settings(slug: str, folder: Path = FOLDER) -> pd.DataFrame:
    """The settings of a paper by name, with a column of plain values for every size.

    Raises FileNotFoundError for a paper without settings, and ValueError naming file, line and
    remedy for a setting that is there twice or a value that is not JSON.
    """
    rows = read_table(folder / slug / "settings.csv", COLUMNS, _row)
    columns = {name: [row[name] for row in rows.values()] for name in COLUMNS[1:]}
    return pd.DataFrame(columns, pd.Index(rows, name="setting"), dtype=object)


def _row(row: dict[str, str]) -> tuple[str, dict]:
    name = row["setting"]
    values = {size: _value(row[size], f"{name}, {size}") for size in SIZES}
    return name, values | {"meaning": row["meaning"]}


def _value(text: str, where: str):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise ValueError(
            f'{where}: {text!r} is not JSON; write 0.5, [5, 7], null, or text as "random" in '
            "quotes (doubled inside a quoted cell of the csv)"
        ) from None
