"""Per-sample statistics of a run: an immutable set that merges by disjoint union and is kept as one Parquet table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..io.atomic import atomic_path
from ..types import Array, Metric, Statistic, UserError
from .packed import packed

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CELLS = 1 << 28
"""Of a stored table: 2 GiB of numbers."""
MAX_TEXT_BYTES = 1 << 31
"""Of one column of names, each row with its own."""
MAX_GROUP_ROWS = 1 << 15
"""Rows after which a table begins a new row group."""

_TEXTS = ("metric", "sample", "group")
_KEYS = {**dict.fromkeys(_TEXTS, "string"), "index": "int64"}


class Statistics:
    """Statistics keyed by (metric, sample id).

    `merge` leaves both sides as they are; a sample measured twice is an error. Iteration, equality and storage are in
    the order of the keys, so nothing depends on the order or the number of workers that measured.
    """

    def __init__(self, items: Iterable[Statistic] = ()) -> None:
        self._by_metric: dict[str, dict[str, Statistic]] = {}
        for item in items:
            mine = self._by_metric.setdefault(item.metric, {})
            if item.sample_id in mine:
                raise UserError(f"sample '{item.sample_id}' was measured twice by {item.metric}")
            mine[item.sample_id] = item

    def merge(self, other: Statistics) -> Statistics:
        """The union of two disjoint sets."""
        return Statistics([*self, *other])

    def of(self, metric: str) -> list[Statistic]:
        """The statistics of one metric in the order of the sample ids."""
        mine = self._by_metric.get(metric, {})
        return [mine[sample_id] for sample_id in sorted(mine)]

    def __iter__(self) -> Iterator[Statistic]:
        return (item for metric in sorted(self._by_metric) for item in self.of(metric))

    def __len__(self) -> int:
        return sum(map(len, self._by_metric.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statistics) and self._comparable() == other._comparable()

    __hash__ = None  # type: ignore[assignment]

    def _comparable(self) -> list[tuple[Any, ...]]:
        return [(s.metric, s.sample_id, s.group, s.index, {k: v.tobytes() for k, v in s.columns.items()}) for s in self]

    def sha256(self) -> str:
        """Fingerprint of the content: every key, and every column bit for bit."""
        digest = hashlib.sha256()
        for item in self:
            head = json.dumps([item.metric, item.sample_id, item.group, item.index])[:-1]
            for name in sorted(item.columns):
                column = item.columns[name]
                digest.update(f"{head}, {_kind(name, column.dtype)}, {len(column)}]".encode())
                digest.update(column.tobytes())
        return digest.hexdigest()

    def to_parquet(self, path: Path, metrics: Iterable[Metric]) -> None:
        """Write one table: metric, sample, group, index, and the columns of every metric (null for the others).

        A sample of which a metric keeps nothing has one row in which all columns are null. Rows take Arrow's form group
        by group, so that they are not held twice.
        """
        import pyarrow.parquet as pq

        pa = _arrow()
        kinds = _schema(metrics)
        columns = [pa.field(name, pa.type_for_alias(kind)) for name, kind in (_KEYS | kinds).items()]
        with (
            atomic_path(path) as temporary,
            pq.ParquetWriter(temporary, pa.schema(columns), compression="zstd") as writer,
        ):
            for items in self._row_groups():
                writer.write_table(_table(items, kinds))

    def _row_groups(self) -> Iterator[list[Statistic]]:
        """Statistics of about MAX_GROUP_ROWS rows, in the order of the keys; at least one group, which may be empty."""
        group: list[Statistic] = []
        rows = 0
        for item in self:
            if rows >= MAX_GROUP_ROWS:
                yield group
                group, rows = [], 0
            group.append(item)
            rows += max(1, _rows_of(item))
        yield group

    @classmethod
    def from_parquet(cls, path: Path, metrics: Mapping[str, Metric]) -> Statistics:
        """Read what `to_parquet` wrote; every metric in it must be one of `metrics`.

        Raises UserError for a file that cannot be read, or holds anything else.
        """
        import pyarrow.parquet as pq

        pa = _arrow()
        try:
            # Texts as dictionaries, which are no larger than the file; `read_table` would import pandas first.
            with pq.ParquetFile(path, read_dictionary=list(_TEXTS)) as file:
                _refuse_endless(path, file.metadata)
                table = _with_plain_texts(path, file.read(use_threads=False))
            # Offsets, dictionaries and texts are taken at their word from here on.
            table.validate(full=True)
            names = table.column_names
        except (OSError, ValueError, LookupError, pa.ArrowException) as error:
            raise UserError(f"{path}: cannot be read as a table of statistics ({error})") from error
        if len(set(names)) < len(names):
            raise UserError(f"{path}: is no table of statistics: two of its columns have one name")
        for name, kind in _KEYS.items():
            if _column(path, table, name, kind).null_count:
                raise UserError(f"{path}: column '{name}' has empty cells")
        return cls(packed(_rows(path, table, metrics)))


@cache
def _kind(name: str, dtype: np.dtype[Any]) -> str:
    """A column's name and type as JSON has them in a list."""
    return json.dumps([name, str(dtype)])[1:-1]


def _refuse_endless(path: Path, metadata: Any) -> None:
    """Raise UserError for a table that its few bytes blow up: equal rows take no room in a file."""
    cells = metadata.num_rows * max(metadata.num_columns, 1)
    if cells > MAX_CELLS:
        raise UserError(f"{path}: has {cells:,} cells; a table of statistics has at most {MAX_CELLS:,}")


def _with_plain_texts(path: Path, table: pa.Table) -> pa.Table:
    """A table whose dictionaries are texts, each row its own.

    Raises UserError where they would not fit: a long text that all rows share takes no room in a file.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table.validate(full=True)
    for place, field in enumerate(table.schema):
        if not pa.types.is_dictionary(field.type) or not pa.types.is_string(field.type.value_type):
            continue
        column = table.column(place)
        longest = (pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0 for chunk in column.chunks)
        size = sum(most * len(chunk) for most, chunk in zip(longest, column.chunks, strict=True))
        if size > MAX_TEXT_BYTES:
            raise UserError(f"{path}: column '{field.name}' has texts of up to {size:,} bytes; expected short names")
        table = table.set_column(place, field.name, column.cast(pa.string()))
    return table


def _arrow() -> Any:
    """pyarrow, whose memory is that of the system: an allocator of its own would keep megabytes that nobody uses."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    return pa


def _rows_of(item: Statistic) -> int:
    return len(next(iter(item.columns.values())))


def _table(items: Sequence[Statistic], kinds: Mapping[str, Literal["int64", "float64"]]) -> pa.Table:
    """The rows of some statistics, with columns of these names and types behind the keys."""
    import pyarrow as pa

    found = [_rows_of(item) for item in items]
    rows = [max(n, 1) for n in found]
    columns: dict[str, pa.Array] = {
        "metric": _repeated([item.metric for item in items], rows),
        "sample": _repeated([item.sample_id for item in items], rows),
        "group": _repeated([item.group for item in items], rows),
        "index": _numbers(np.repeat(np.array([item.index for item in items], np.int64), rows)),
    }
    for name, kind in kinds.items():
        values = [
            item.columns[name] if n and name in item.columns else np.zeros(max(n, 1), kind)
            for item, n in zip(items, found, strict=True)
        ]
        held = [n > 0 and name in item.columns for item, n in zip(items, found, strict=True)]
        present = np.repeat(np.array(held, bool), rows)
        columns[name] = _numbers(np.concatenate([*values, np.zeros(0, kind)]), present)
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def _repeated(values: list[str], times: list[int]) -> pa.Array:
    """An Arrow column of strings, each repeated."""
    import pyarrow as pa

    encoded = [value.encode() for value in values]
    lengths = np.repeat(np.array([len(text) for text in encoded], np.int64), times)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    content = b"".join(text * n for text, n in zip(encoded, times, strict=True))
    return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(content))


def _numbers(values: Array, present: Array | None = None) -> pa.Array:
    """An Arrow column over a NumPy array; built from buffers, as `pyarrow.array` would import pandas first."""
    import pyarrow as pa

    valid = None if present is None else pa.py_buffer(np.packbits(present, bitorder="little").tobytes())
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [valid, pa.py_buffer(np.ascontiguousarray(values))]
    )


def _schema(metrics: Iterable[Metric]) -> dict[str, Literal["int64", "float64"]]:
    """Columns of all metrics; a name stands for one type."""
    schema: dict[str, Literal["int64", "float64"]] = {}
    for metric in metrics:
        for name, kind in metric.columns.items():
            if schema.setdefault(name, kind) != kind or name in _KEYS:
                raise ValueError(f"column '{name}' of metric {metric.name} clashes with another of that name")
    return schema


def _column(path: Path, table: pa.Table, name: str, kind: str) -> pa.ChunkedArray:
    """A column that is there and of its declared type."""
    if name not in table.column_names:
        raise UserError(f"{path}: is no table of statistics: it has no column '{name}'")
    column = table.column(name)
    if str(column.type) != {"float64": "double"}.get(kind, kind):
        raise UserError(f"{path}: column '{name}' holds {column.type}; expected {kind}")
    return column


def _values(column: pa.ChunkedArray) -> Array:
    """Numbers of a column without empty cells, read from its buffers: `to_numpy` would import pandas first."""
    nothing = np.zeros(0, column.type.to_pandas_dtype())
    found = [
        np.frombuffer(chunk.buffers()[1], nothing.dtype)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
        if len(chunk)
    ]
    return found[0] if len(found) == 1 else np.concatenate([nothing, *found])


def _texts(column: pa.ChunkedArray) -> Array:
    """Strings of a column, (n,) of objects; equal ones are one object."""
    encoded = column.combine_chunks().dictionary_encode()
    chunks = encoded.chunks if hasattr(encoded, "chunks") else [encoded]
    return np.concatenate([_objects(chunk.dictionary.to_pylist())[_indices(chunk)] for chunk in chunks])


def _objects(texts: list[str]) -> Array:
    found = np.empty(len(texts), object)
    found[:] = texts
    return found


def _indices(chunk: pa.DictionaryArray) -> Array:
    whole = np.frombuffer(chunk.indices.buffers()[1], np.int32)
    return whole[chunk.indices.offset : chunk.indices.offset + len(chunk)]


@dataclass(frozen=True)
class _Cells:
    """A column from a row of a table on: its values (n,), 0 in empty cells, and how many of the first k are empty.

    `empty` is (n + 1,), None where no cell is.
    """

    first: int
    values: Array
    empty: Array | None = None

    @classmethod
    def of(cls, column: pa.ChunkedArray, first: int, end: int) -> _Cells:
        column = column.slice(first, end - first)
        if not column.null_count:
            return cls(first, _values(column))
        empty = np.zeros(len(column) + 1, np.int64)
        np.cumsum(_values(column.is_null().cast("uint8")), out=empty[1:])
        return cls(first, _values(column.fill_null(0)), empty)

    def of_rows(self, start: int, stop: int) -> Array:
        """The values of these rows of the table."""
        return self.values[start - self.first : stop - self.first]

    def lacking(self, start: int, stop: int) -> bool:
        """Whether any cell of these rows of the table is empty."""
        return self.empty is not None and bool(self.empty[stop - self.first] > self.empty[start - self.first])


def _spans(metrics: Array) -> dict[str, tuple[int, int]]:
    """From its first row to behind its last one, of every metric: those of each stand together in a sound table."""
    ends = np.flatnonzero(np.concatenate([metrics[1:] != metrics[:-1], [True]])) + 1
    spans: dict[str, tuple[int, int]] = {}
    for start, end in pairwise([0, *ends.tolist()]):
        name = str(metrics[start])
        spans[name] = spans.get(name, (start, end))[0], end
    return spans


def _rows(path: Path, table: pa.Table, metrics: Mapping[str, Metric]) -> Iterator[Statistic]:
    if not len(table):
        return
    keys = [_texts(table.column(name)) for name in ("metric", "sample", "group")]
    keys.append(_values(table.column("index")))
    changed = (keys[0][1:] != keys[0][:-1]) | (keys[1][1:] != keys[1][:-1])
    starts = [0, *(np.flatnonzero(changed) + 1).tolist(), len(table)]
    spans = _spans(keys[0])
    columns: dict[str, dict[str, _Cells]] = {}
    for start, stop in pairwise(starts):
        name = str(keys[0][start])
        if name not in metrics:
            raise UserError(f"{path}: holds statistics of the metric '{name}', which this version does not know")
        if name not in columns:
            kinds = metrics[name].columns.items()
            columns[name] = {c: _Cells.of(_column(path, table, c, kind), *spans[name]) for c, kind in kinds}
        empty = [c for c, cells in columns[name].items() if cells.lacking(start, stop)]
        if stop - start == 1 and len(empty) == len(columns[name]):
            stop, empty = start, []
        if empty:
            raise UserError(f"{path}: column '{empty[0]}' is empty where {name} of '{keys[1][start]}' needs it")
        values = {c: cells.of_rows(start, stop) for c, cells in columns[name].items()}
        yield Statistic(name, str(keys[1][start]), str(keys[2][start]), int(keys[3][start]), values)
