"""What came out of a suite: scores over seeds with intervals and cost, as markdown, JSON and plots."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from ..io.atomic import write_text
from ..runs.record import Record
from ..runs.suite.spec import Cell, Plan
from ..runs.suite.state import SuiteState
from ..text import UNDEFINED, interval, number
from .comparable import Comparable, badness
from .markdown import escape
from .seed_groups import deviation, mean, mean_score, together

RESULTS = "results"


def results_of(plan: Plan, state: SuiteState, folder: Path, found: Mapping[str, Record]) -> dict[str, Any]:
    """Everything that `results.json` holds; `found` has the complete records by name of the cell."""
    groups: dict[Comparable, dict[tuple[str, float], list[Cell]]] = {}
    for cell in plan.cells:
        if cell.name in found and found[cell.name].scores:
            rows = groups.setdefault(Comparable.of(found[cell.name]), {})
            rows.setdefault((cell.label, cell.train_fraction), []).append(cell)
    sections = [_section(key, rows, found) for key, rows in groups.items()]
    done = [cell.name for cell in plan.cells if state.cells[cell.name].status == "done"]
    failed = [cell for cell in plan.cells if state.cells[cell.name].status == "failed"]
    return {
        "suite": plan.name,
        "summary": plan.summary,
        "folder": str(folder),
        "environment": state.environment,
        "n": len(plan.cells),
        "done": len(done),
        "excluded": plan.excluded,
        "unable": list(plan.unable),
        "failed": [
            {
                "name": cell.name,
                "cell": cell.short,
                "exit_status": state.cells[cell.name].exit_status,
                "error": state.cells[cell.name].error,
                "log": str(folder / state.cells[cell.name].log),
            }
            for cell in failed
        ],
        "sections": sections,
        "plots": [],
    }


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """Write `results.json`, `results.md` and the plots, and note the plots in `results`."""
    from ..figures.style import suite_plots

    results["plots"] = [path.name for path in suite_plots(results["sections"], folder)]
    write_text(folder / f"{RESULTS}.json", json.dumps(results, indent=2, allow_nan=False) + "\n")
    write_text(folder / f"{RESULTS}.md", markdown(results))


def _section(
    key: Comparable, rows: Mapping[tuple[str, float], Sequence[Cell]], found: Mapping[str, Record]
) -> dict[str, Any]:
    """One table: rows that may be compared, from best to worst by the main score."""
    records = {cell.name: found[cell.name] for cells in rows.values() for cell in cells}
    first = next(iter(records.values()))
    table = [
        _row(label, fraction, cells, [records[c.name] for c in cells]) for (label, fraction), cells in rows.items()
    ]
    main = first.main_score
    units = {s.resampled for record in records.values() for s in record.scores.values() if s.resampled}
    return {
        **vars(key),
        "n": first.dataset.n,
        "main_score": main,
        "resampled": sorted(units),
        "rows": sorted(table, key=lambda row: _best_first(row, main)),
    }


def _row(label: str, fraction: float, cells: Sequence[Cell], records: Sequence[Record]) -> dict[str, Any]:
    """Runs that differ in their seed alone."""
    method = records[0].method
    names = list(dict.fromkeys(name for record in records for name in record.scores))
    costs = [record.cost.model_dump() for record in records]
    return {
        "label": label,
        "method": method.name,
        "family": method.family,
        "preset": method.preset,
        "settings": cells[0].settings,
        "train_fraction": fraction,
        "n_train": mean(record.method.n_train for record in records),
        "seeds": [cell.seed for cell in cells],
        "scores": {name: _score(name, records) for name in names},
        "cost": {key: together([cost.get(key) for cost in costs]) for key in costs[0]},
        "cells": [cell.name for cell in cells],
    }


def _score(name: str, records: Sequence[Record]) -> dict[str, Any]:
    """A score over seeds, with its deviation over them and the value of each."""
    scores = [record.scores.get(name) for record in records]
    values = [None if score is None else score.value for score in scores]
    found = mean_score(scores)
    return {
        **{key: getattr(found, key) for key in ("value", "low", "high")},
        "std_over_seeds": deviation(values),
        "values": values,
        "unit": found.unit,
        "higher_is_better": found.higher_is_better,
    }


def _best_first(row: Mapping[str, Any], main: str) -> tuple[float, str, float]:
    """Sort key of rows: by the main score, then by label, then with most labelled samples first."""
    score = row["scores"].get(main)
    value = math.inf if score is None else badness(score["value"], score["higher_is_better"])
    return value, row["label"], -row["train_fraction"]


def markdown(results: Mapping[str, Any]) -> str:
    """The tables of a suite as a page."""
    lines = [f"# Suite {escape(results['suite'])}", ""]
    if results["summary"]:
        lines += [escape(results["summary"]), ""]
    lines += [f"{results['done']} of {results['n']} cells done, {len(results['failed'])} failed.", ""]
    for section in results["sections"]:
        lines += _section_lines(section)
    lines += [line for name in results["plots"] if name.endswith(".svg") for line in (f"![{name[:-4]}]({name})", "")]
    if results["failed"]:
        lines += ["## Failed", ""]
        body = [[escape(f["cell"]), f["exit_status"], escape(f["error"]), f"`{f['log']}`"] for f in results["failed"]]
        lines += [tabulate(body, ["cell", "exit", "error", "log"], tablefmt="github", disable_numparse=True), ""]
    if results["unable"]:
        lines += ["## Not in the grid", "", *(f"- {escape(line)}" for line in results["unable"]), ""]
    lines += ["Made by `bench suite`; do not edit.", ""]
    return "\n".join(lines)


def title_of(section: Mapping[str, Any]) -> str:
    """Dataset, origin, protocol and options of a section."""
    scope = f"{section['folds']}-fold cross-validation" if section["folds"] else f"split {section['split']}"
    options = f", {section['options']}" if section["options"] else ""
    return f"{section['dataset']}{' (SYNTHETIC)' if section['origin'] == 'synthetic' else ''}, {scope}{options}"


def note_of(section: Mapping[str, Any]) -> str:
    """What the numbers of a section are."""
    drawn = " or ".join(section["resampled"]) or "samples"
    return (
        f"{section['n']} samples, sorted by {section['main_score']}. In brackets: 95 % bootstrap interval over "
        f"{drawn}, its ends averaged over the seeds; ±: standard deviation over the seeds."
    )


def _interval(score: Mapping[str, Any] | None) -> str:
    return UNDEFINED if score is None else interval(score["value"], score["low"], score["high"])


def _section_lines(section: Mapping[str, Any]) -> list[str]:
    main, rows = section["main_score"], section["rows"]
    others = [name for name in rows[0]["scores"] if name != main]
    headers = ["method", "family", "preset", "labels", main, "± seeds", *others, "seeds"]
    headers += ["train s", "ms/image", "GMAC/image", "parameters", "memory MB", "device"]
    body = []
    for row in rows:
        cost = row["cost"]
        macs = cost.get("macs_per_image")
        body.append(
            [
                escape(row["label"]),
                row["family"],
                escape(row["preset"] or UNDEFINED),
                number(row["n_train"], ".0f"),
                _interval(row["scores"].get(main)),
                number((row["scores"].get(main) or {}).get("std_over_seeds"), ".4f"),
                *(_interval(row["scores"].get(name)) for name in others),
                len(row["seeds"]),
                number(cost.get("train_s"), ".1f"),
                number(cost.get("predict_ms_per_image"), ".1f"),
                number(None if macs is None else macs / 1e9, ".1f"),
                number(cost.get("parameters"), ",.0f"),
                number(cost.get("peak_memory_mb"), ".0f"),
                escape(cost.get("device") or UNDEFINED),
            ]
        )
    table = tabulate(body, [escape(h) for h in headers], tablefmt="github", disable_numparse=True)
    synthetic = section["origin"] == "synthetic"
    made = " Made by segbench, not real images: never to be ranked beside real ones." if synthetic else ""
    return [f"## {escape(title_of(section))}", "", escape(note_of(section)) + made, "", table, ""]
