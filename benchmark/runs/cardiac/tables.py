"""Tables of `bench cardiac` as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...io.atomic import atomic_path, write_text

if TYPE_CHECKING:
    import pandas as pd


def no_formula(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that begins as one gets an apostrophe before it.

    >>> no_formula("=1+1"), no_formula(-1.5)
    ("'=1+1", -1.5)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def write_table(stem: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write the same table as CSV and as Parquet."""
    import pandas as pd

    table: pd.DataFrame = pd.DataFrame(list(rows))
    csv, parquet = stem.with_suffix(".csv"), stem.with_suffix(".parquet")
    write_text(csv, table.map(no_formula).to_csv(index=False))
    with atomic_path(parquet) as temporary:
        table.to_parquet(temporary, index=False)
    return [csv, parquet]
