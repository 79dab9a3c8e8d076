"""Classes written in another order, or in other colours: any one-to-one assignment that the truth proves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..types import DatasetInfo, Float64, Int64
from .best_coding import NONE, Codes, Placing, Tables, best_code, overlaps
from .known_codings import name_of, table_line
from .remedy_functions import Recode, Uncolour
from .sampled_pixels import MIN_AGREEMENT, Suspicion, View, agreement_line, clearly_better, mean, proven

MIN_WRITTEN = 0.99
"""Part of the pixels that count whose value must stand for a class; other values come of damage of another kind."""
MAX_BY_CHANCE, MIN_FITTED, MIN_BEYOND_FREEDOM = 0.1, 0.5, 0.25
"""Agreement (mean kappa) as it is, once fitted, and beyond what fitting brings with the truths of other samples."""
MIN_SURE = 0.5
"""Part of the pixels whose value must stand for a class beyond doubt."""
MIN_OVERLAP = 0.2
"""Intersection over union of a value with its class that shows what the value stands for."""
MIN_LEAD = 2.0
"""How many times better that must be than with any other class, and than any other value's with this class."""
MAX_IN_PLACE = 0.3
"""Part of a class that may lie under its own label value although that value stands for another class."""
MIN_SAMPLES = 3
"""Samples that must speak for an exchange of some classes only."""


@dataclass(frozen=True)
class Renumbering:
    """Values and the label values they stand for; those of `guessed` are what is left over."""

    table: Mapping[int, int]
    guessed: frozenset[int] = frozenset()

    @property
    def changed(self) -> int:
        """Number of values that stand for another class than their own."""
        return sum(value != label for value, label in self.table.items())


def renumbered(view: View) -> Iterator[Suspicion]:
    """The one-to-one renumbering of classes that fits the truth best, where the truth proves it."""
    if view.info.task == "binary" or any(seen.layout != "map" for seen in view.seen):
        return
    if any(isinstance(step, Recode) for step in view.remedy_functions):
        return  # what another coding left over is no class
    codes = Codes(view, view.seen, range(len(view.seen)), most=len(view.seen))
    tables = codes.tables(Placing())
    code = best_code(tables.pooled) if tables.pooled.any() else np.zeros(0, np.int64)
    moved = [n for n in np.flatnonzero(code != NONE) if tables.labels[code[n]] != tables.values[n]]
    if not moved:
        return
    elsewhere = codes.tables(Placing(), elsewhere=True)
    found = _all_classes(view.info, tables, elsewhere, code, tables.agreement(_identity(tables)), view.counts)
    if found is None or not found.changed:
        found = _some_classes(view, tables, code)
    if found is None:
        return
    step = _recode(view.info, found)
    lines = [table_line(found.table, view.info), *_guessed(map(str, sorted(found.guessed)))]
    lines.append(agreement_line(view.own, view.after(step), "after renumbering"))
    yield Suspicion(
        "renumbered",
        f"classes are numbered in another order: {found.changed} label values stand for another class than their own",
        tuple(lines),
        f"Write every class as its own label value: labels = numpy.vectorize(table.get)(values), where table = "
        f"{dict(sorted(found.table.items()))}.",
        (step,),
        estimate=bool(found.guessed),
        fitted=True,
    )


def recoloured(view: View) -> Iterator[Suspicion]:
    """Label maps in colours of another palette: the one-to-one assignment to classes that the truth proves.

    The colours must be exact; what was compressed or blended with the image has too many.
    """
    if not view.seen or any(view.raw(seen).ndim != 3 for seen in view.seen):
        return
    # Colours are counted as they are, of a binary dataset too, whose files are read as masks otherwise.
    counted = replace(view, info=replace(view.info, task="multiclass"))
    codes = Codes(counted, view.seen, range(len(view.seen)), most=len(view.seen))
    tables = codes.tables(Placing())
    if not tables.pooled.any():
        return
    everywhere = dict(zip(tables.values.tolist(), tables.pooled.sum(axis=0).tolist(), strict=True))
    elsewhere = codes.tables(Placing(), elsewhere=True)
    found = _all_classes(view.info, tables, elsewhere, best_code(tables.pooled), view.own, everywhere)
    if found is None:
        return
    by_label = sorted(found.table.items(), key=lambda pair: pair[1])
    table = {(key >> 16, key >> 8 & 255, key & 255): label for key, label in by_label}
    step = Uncolour(tuple(table), tuple(_written(view, label) for label in table.values()))
    shown = ", ".join(f"{_hex(color)} is {label} ({name_of(view.info, label)})" for color, label in table.items())
    yield Suspicion(
        "palette",
        f"label maps were saved in colours that are not those of the classes: {len(table)} colours, each of one class",
        (
            f"{len(view.seen)} of {len(view.seen)} files are colour images; {len(tables.values)} colours occur",
            f"what the colours stand for: {shown}",
            *_guessed(_hex((key >> 16, key >> 8 & 255, key & 255)) for key in sorted(found.guessed)),
            agreement_line(view.own, view.after(step), "after mapping colours to label values"),
        ),
        "Save label values instead of colours (not what matplotlib's imsave or a colour map makes of them), or map "
        f"every colour to its label value: {table}.",
        (step,),
        estimate=bool(found.guessed),
        fitted=True,
    )


def _written(view: View, label: int) -> int:
    """The value that a file holds for a label: of a binary dataset that of a mask, which may be 255 in place of 1."""
    if view.info.task != "binary":
        return label
    one = view.decode(np.array([[0, 1]], np.uint8))
    return (1 if one is not None and one.any() else 255) if label == view.info.foreground else 0


def _hex(color: tuple[int, ...]) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)


def _guessed(names: Iterable[str]) -> Iterator[str]:
    """The evidence against values that got what was left over, where there are any."""
    if listed := ", ".join(names):
        yield f"of {listed} too few pixels agree to be sure: they got what was left over"


def _all_classes(
    info: DatasetInfo, tables: Tables, elsewhere: Tables, code: Int64, own: Float64, everywhere: Mapping[int, int]
) -> Renumbering | None:
    """An assignment of everything, judged on samples on which it was not fitted.

    `own` (n,) is the agreement as it is, `everywhere` says how often each value occurs in all files.
    """
    table = {int(tables.values[n]): int(tables.labels[code[n]]) for n in np.flatnonzero(code != NONE)}
    counted = dict(zip(tables.values.tolist(), tables.pooled.sum(axis=0).tolist(), strict=True))
    others = sorted(set(everywhere) - set(table), key=lambda value: (-counted.get(value, 0), -everywhere[value]))
    unmatched = others[: max(0, len(info.classes) - len(table))]  # of classes that the truth does not hold here
    written = sum(counted.get(value, 0) for value in (*table, *unmatched)) / max(1, tables.counts.sum())
    if written < MIN_WRITTEN or not (proven(own, tables.freely()) or _strange(tables, elsewhere, code, own)):
        return None
    sure = _sure(tables, code)
    if tables.pooled[:, np.isin(tables.values, list(sure))].sum() < MIN_SURE * tables.pooled.sum():
        return None
    regular = _regular(info, {value: label for value, label in table.items() if value in sure})
    if regular is not None and {*table, *unmatched} <= set(regular):
        return Renumbering(regular)
    return _completed(info, table, sure, unmatched)


def _strange(tables: Tables, elsewhere: Tables, code: Int64, own: Float64) -> bool:
    """Whether values say nothing as they are, and the same freedom does not fit them to the truths of other samples.

    This is for classes that are on one image only: no other image can tell what their values stand for. A model that
    mistakes many classes for others still agrees with the truth more than chance does.
    """
    fitted = tables.agreement(code)
    if mean(own) > MAX_BY_CHANCE or mean(fitted) < MIN_FITTED:
        return False
    return clearly_better(elsewhere.agreement(best_code(elsewhere.pooled)), fitted, MIN_BEYOND_FREEDOM)


def _regular(info: DatasetInfo, sure: Mapping[int, int]) -> dict[int, int] | None:
    """The whole table where what is sure of it is a rotation or the reverse of the classes in their order."""
    ids = [c.id for c in info.classes]
    place = {label: n for n, label in enumerate(ids)}
    if len(sure) < MIN_SAMPLES or not {*sure, *sure.values()} <= set(ids):
        return None
    for sign in (1, -1):
        steps = Counter((place[label] - sign * place[value]) % len(ids) for value, label in sure.items())
        step, often = steps.most_common(1)[0]
        # One odd value may be a confusion; two may have been exchanged.
        if often >= len(sure) - 1 and (sign, step) != (1, 0):
            return {value: ids[(sign * n + step) % len(ids)] for n, value in enumerate(ids)}
    return None


def _completed(info: DatasetInfo, table: Mapping[int, int], sure: set[int], unmatched: list[int]) -> Renumbering:
    """With one label each for the values that are seen too little to be sure: their own if most others keep theirs."""
    kept = sum(table[value] == value for value in sure)
    whole = {value: table[value] for value in sorted(sure)}
    left = [*sorted(set(table) - sure), *unmatched]
    for value in left:
        own = [value] if 2 * kept >= len(sure) and value in info.predictable else []
        fitted = [table[value]] if value in table else []
        wanted = (*own, *fitted, *(c.id for c in info.classes))
        whole[value] = next((label for label in wanted if label not in whole.values()), info.classes[0].id)
    return Renumbering(whole, frozenset(value for value in left if whole[value] != value))


def _some_classes(view: View, tables: Tables, code: Int64) -> Renumbering | None:
    """Some classes exchanged, as the pixels of just these prove; all the others keep their label values."""
    values, labels = tables.values, tables.labels
    sure = _sure(tables, code)
    moved = {
        int(values[n]): int(labels[code[n]])
        for n in np.flatnonzero(code != NONE)
        if int(values[n]) in sure and values[n] != labels[code[n]] and _away(tables, int(values[n]))
    }
    # Only classes that changed places: one that is written as another and not the other way round may be a confusion.
    while odd := [v for v, label in moved.items() if label not in moved or v not in moved.values()]:
        for value in odd:
            del moved[value]
    if not moved:
        return None
    own, new = _of_these(tables, moved)
    here = ~np.isnan(own)
    if here.sum() < MIN_SAMPLES or np.mean(new[here]) < 0.5 or not clearly_better(own, new, 0.3):
        return None
    present = set(values[tables.pooled.any(axis=0)].tolist())
    found = Renumbering({**{value: value for value in sorted(present & view.info.predictable)}, **moved})
    # All the others must be right as they are.
    return found if mean(view.after(_recode(view.info, found))) >= MIN_AGREEMENT else None


def _identity(tables: Tables) -> Int64:
    """Every value as its own label value, where it is one."""
    place = {int(label): row for row, label in enumerate(tables.labels)}
    return np.array([place.get(int(value), NONE) for value in tables.values], np.int64)


def _sure(tables: Tables, code: Int64) -> set[int]:
    """Values whose class is by far the best for them, as they are for it."""
    fit = overlaps(tables.pooled)
    found = set()
    for n in np.flatnonzero(code != NONE):
        row = code[n]
        others = np.concatenate([np.delete(fit[:, n], row), np.delete(fit[row], n)])
        if fit[row, n] >= MIN_OVERLAP and fit[row, n] >= MIN_LEAD * others.max(initial=0.0):
            found.add(int(tables.values[n]))
    return found


def _away(tables: Tables, value: int) -> bool:
    """Whether the class whose own label value this is lies elsewhere: otherwise two classes were merged."""
    row, column = np.flatnonzero(tables.labels == value), np.flatnonzero(tables.values == value)
    if not row.size or not column.size:
        return True
    own = tables.pooled[row[0]]
    return bool(own[column[0]] <= MAX_IN_PLACE * own.sum())


def _of_these(tables: Tables, moved: Mapping[int, int]) -> tuple[Float64, Float64]:
    """Part of the pixels of these values that is right as it is, and after the exchange, of every sample (n,)."""
    places = {int(label): row for row, label in enumerate(tables.labels)}
    columns = [int(np.flatnonzero(tables.values == value)[0]) for value in moved]
    all_of_them = tables.counts[:, :, columns].sum(axis=(1, 2)).astype(np.float64)
    own, new = (
        sum(
            (
                tables.counts[:, places[label], column]
                for column, label in zip(columns, wanted, strict=True)
                if label in places
            ),
            np.zeros(len(tables.counts)),
        )
        for wanted in (list(moved), list(moved.values()))
    )
    with np.errstate(invalid="ignore"):
        return own / all_of_them, new / all_of_them


def _recode(info: DatasetInfo, found: Renumbering) -> Recode:
    rest = info.unscored[0].id if info.unscored else info.classes[0].id
    return Recode(tuple(found.table), tuple(found.table.values()), rest)
