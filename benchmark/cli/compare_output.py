"""A comparison at the terminal: ranks with ties, differences, families, costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from ..text import counted, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

UNDEFINED = "–"
_MOST_PAIRS = 15
_FEW = 10
_MOST_CLASSES = 30


def show(console: Console, found: Mapping[str, Any]) -> None:
    """All of it, the answer first."""
    origin = " [bold yellow](SYNTHETIC)[/]" if found["origin"] == "synthetic" else ""
    direction = "higher" if found["higher_is_better"] else "lower"
    console.print(
        f"[bold]{_safe(found['score'])}[/] ({direction} is better) on [bold]{_safe(found['dataset'])}[/]{origin}, "
        f"split {_safe(found['split'])}, {counted(found['n'], 'sample')}"
    )
    console.print(_answer(found), soft_wrap=True)
    console.print(_ranks(found))
    console.print(_pairs(found))
    console.print(
        f"difference: a less b, with its 95 % paired bootstrap interval; p by swapping whole {found['drawn']}, "
        f"Holm-adjusted for {counted(len(found['differences']), 'pair')}; d: mean difference per sample over its "
        "standard deviation; w/t/l: samples on which a is better, equal, worse",
        soft_wrap=True,
    )
    if found["units"] < _FEW:
        console.print(
            f"[yellow]only {counted(found['units'], found['drawn'][:-1])}: permutations cannot give a p value below "
            f"{found['smallest_p']:.2g}, so smaller ones are those of a t test. Score more samples, for example with "
            "--folds.[/]",
            soft_wrap=True,
        )
    if found["families"] is not None:
        _families(console, found)
    for each in found["seeds"]:
        seeds = ", ".join(map(str, each["seeds"]))
        console.print(
            f"seeds {seeds} of {_safe(each['method'])}: {each['mean']:.4f} ± {each['std']:.4f} (standard deviation of "
            "training, which no interval above holds)",
            soft_wrap=True,
        )
    if len(found["per_class"]) > 1:
        console.print(_classes(found))
    _samples(console, found)
    _labels(console, found)


def _answer(found: Mapping[str, Any]) -> str:
    best, *others = found["runs"]
    if best["value"] is None:
        return f"[yellow]{_safe(found['score'])} is undefined for every run; choose another score with --metric.[/]"
    ties = [row["label"] for row in others if row["rank"] == 1]
    if not ties:
        return f"[bold green]{_safe(best['label'])}[/] is better than every other, beyond chance (p < 0.05)."
    names = ", ".join(map(_safe, ties[:5])) + (f" and {len(ties) - 5} more" if len(ties) > 5 else "")
    return f"[bold]{_safe(best['label'])}[/] leads, but {names} cannot be told from it (tied on rank 1)."


def _ranks(found: Mapping[str, Any]) -> Table:
    table = _table("rank", "run", "value", "95 % interval", "fit s", "ms/image", "front")
    for row in found["runs"]:
        span = str(row["rank"]) if row["rank_low"] == row["rank_high"] else f"{row['rank_low']}–{row['rank_high']}"
        table.add_row(
            span,
            _safe(row["label"]),
            _number(row["value"], ".4f"),
            _interval(row, ".4f"),
            _number(row["cost"]["train_s"], ".0f"),
            _number(row["cost"]["predict_ms_per_image"], ".0f"),
            "●" if row["on_front"] else "",
        )
    table.caption = "front: no other run is better, quicker to fit and quicker to predict at once"
    return table


def _pairs(found: Mapping[str, Any]) -> Table:
    pairs = found["differences"]
    best = found["runs"][0]["label"]
    shown = pairs if len(pairs) <= _MOST_PAIRS else [each for each in pairs if best in (each["a"], each["b"])]
    table = _table("a", "b", "difference", "95 % interval", "p", "d", "w/t/l")
    for each in shown:
        mark = "[bold]" if each["significant"] else ""
        table.add_row(
            _safe(each["a"]),
            _safe(each["b"]),
            f"{mark}{_number(each['value'], '+.4f')}",
            _interval(each, "+.4f"),
            f"{mark}{_p(each['p_adjusted'])}",
            _number(each["effect"], ".2f"),
            f"{each['wins']}/{each['ties']}/{each['losses']}",
        )
    if len(shown) < len(pairs):
        table.caption = f"the pairs of {best}; all {len(pairs)} with --json"
    return table


def _families(console: Console, found: Mapping[str, Any]) -> None:
    best, apart = found["families"]["best"], found["families"]["difference_of_means"]
    console.print(
        f"learned against classical: best {_safe(best['a'])} against {_safe(best['b'])} "
        f"{_number(best['value'], '+.4f')} [{_interval(best, '+.4f')}]; family means {apart['value']:+.4f} "
        f"[{_interval(apart, '+.4f')}]",
        soft_wrap=True,
        markup=False,
    )


def _classes(found: Mapping[str, Any]) -> Table:
    rows = found["per_class"]
    table = _table("class", "winner", *(["runner-up"] if len(found["runs"]) > 2 else []), rows[0]["by"])
    labels = [row["label"] for row in found["runs"]]
    for row in rows[:_MOST_CLASSES]:
        ranked = sorted((label for label in labels if row[label] is not None), key=lambda label: -row[label])
        winners = ", ".join(map(_safe, row["winners"]))
        table.add_row(
            _safe(row["class"]),
            winners,
            *([_safe(ranked[1]) if len(ranked) > 1 else UNDEFINED] if len(labels) > 2 else []),
            " > ".join(f"{row[label]:.3f}" for label in ranked[:3]),
        )
    if len(rows) > _MOST_CLASSES:
        table.caption = f"{_MOST_CLASSES} of {len(rows)} classes; all with --json"
    return table


def _samples(console: Console, found: Mapping[str, Any]) -> None:
    wins = ", ".join(f"{_safe(label)} {count}" for label, count in found["per_sample"]["wins"].items() if count)
    console.print(f"best on so many of {found['n']} samples: {wins}", soft_wrap=True)
    furthest = found["per_sample"]["furthest_apart"][:3]
    if furthest:
        names = ", ".join(_safe(each["sample"]) for each in furthest)
        console.print(f"furthest apart on: {names} (ten with --json)", soft_wrap=True)


def _labels(console: Console, found: Mapping[str, Any]) -> None:
    if "labels_needed" not in found:
        return
    target = found["labels_needed"]["target"]
    for name, count in found["labels_needed"]["methods"].items():
        said = "not reached, or only one number of labels was tried" if count is None else f"about {count:.0f} labels"
        console.print(f"{_safe(name)} for {_safe(found['score'])} {target:g}: {said}", soft_wrap=True)


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left", caption_style="")
    for name in columns:
        is_name = name in ("run", "a", "b", "class", "winner", "runner-up")
        table.add_column(name, justify="left" if is_name else "right", no_wrap=not is_name)
    return table


def _interval(row: Mapping[str, Any], form: str) -> str:
    if row["low"] is None or row["high"] is None:
        return UNDEFINED
    return f"{row['low']:{form}} to {row['high']:{form}}"


def _number(value: float | None, form: str) -> str:
    return UNDEFINED if value is None else format(value, form)


def _p(value: float | None) -> str:
    if value is None:
        return UNDEFINED
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _safe(text: str) -> str:
    return escape(printable(text))
