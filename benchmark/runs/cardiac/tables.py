"""Tables of `bench cardiac` as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...io.atomic import atomic_path, write_text

if TYPE_CHECKING:
    import pandas as pd


def write_table(stem: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write the same table as CSV and as Parquet."""
    import pandas as pd

    table: pd.DataFrame = pd.DataFrame(list(rows))
    csv, parquet = stem.with_suffix(".csv"), stem.with_suffix(".parquet")
    write_text(csv, table.to_csv(index=False))
    with atomic_path(parquet) as temporary:
        table.to_parquet(temporary, index=False)
    return [csv, parquet]
