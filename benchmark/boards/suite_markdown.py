"""What came out of a suite as a page of Markdown."""

from __future__ import annotations

from tabulate import tabulate

from ..text import UNDEFINED, interval, number, time_marks
from .markdown import escape
from .seed_differences import difference_lines
from .suite_document import SeedScore, SuiteResults, SuiteRobustness, SuiteSection


def markdown(results: SuiteResults) -> str:
    """The tables of a suite as a page."""
    lines = [f"# Suite {escape(results.suite)}", ""]
    if results.summary:
        lines += [escape(results.summary), ""]
    lines += [f"{results.done} of {results.n} cells done, {len(results.failed)} failed.", ""]
    for section in results.sections:
        lines += _section_lines(section)
    lines += [line for name in results.plots if name.endswith(".svg") for line in (f"![{name[:-4]}]({name})", "")]
    for differences in results.differences:
        lines += difference_lines(differences)
    for curves in results.robustness:
        lines += _robustness_lines(curves)
    if results.failed:
        lines += ["## Failed", ""]
        body = [[escape(f.cell), f.exit_status, escape(f.error), f"`{f.log}`"] for f in results.failed]
        lines += [tabulate(body, ["cell", "exit", "error", "log"], tablefmt="github", disable_numparse=True), ""]
    if results.unable:
        lines += ["## Not in the grid", "", *(f"- {escape(line)}" for line in results.unable), ""]
    lines += ["Made by `bench suite`; do not edit.", ""]
    return "\n".join(lines)


def _section_lines(section: SuiteSection) -> list[str]:
    main, rows = section.main_score, section.rows
    others = [name for name in rows[0].scores if name != main]
    headers = ["method", "family", "preset", "labels", main, "± seeds", *others, "seeds"]
    headers += ["train s", "ms/image", "GMAC/image", "parameters", "memory MB", "device"]
    body = []
    for row in rows:
        cost, score = row.cost, row.scores.get(main)
        macs = cost.macs_per_image
        body.append(
            [
                escape(row.label),
                row.family,
                escape(row.preset or UNDEFINED),
                number(row.n_train, ".0f"),
                _interval(score),
                number(None if score is None else score.std_over_seeds, ".4f"),
                *(_interval(row.scores.get(name)) for name in others),
                len(row.seeds),
                number(cost.train_s, ".1f") + time_marks(False, row.trained_part),
                number(cost.predict_ms_per_image, ".1f"),
                number(None if macs is None else macs / 1e9, ".1f"),
                number(cost.parameters, ",.0f"),
                number(cost.peak_memory_mb, ".0f"),
                escape(cost.device or UNDEFINED),
            ]
        )
    table = tabulate(body, [escape(h) for h in headers], tablefmt="github", disable_numparse=True)
    synthetic = section.origin == "synthetic"
    made = " Made by segbench, not real images: never to be ranked beside real ones." if synthetic else ""
    return [f"## {escape(section.title)}", "", escape(section.note) + made, "", table, ""]


def _interval(score: SeedScore | None) -> str:
    return UNDEFINED if score is None else interval(score.value, score.low, score.high)


def _robustness_lines(curves: SuiteRobustness) -> list[str]:
    """A table with a row for each corruption and level, and a column for each method."""
    labels = [line.label for line in curves.lines]
    cells: dict[str, dict[str, str]] = {"as they are": {line.label: number(line.value, ".4f") for line in curves.lines}}
    for line in curves.lines:
        for point in line.points:
            lost = interval(point.relative_drop, point.drop_low, point.drop_high, "+.1%")
            said = f"{number(point.value, '.4f')}, {lost}"
            cells.setdefault(f"{point.corruption}:{point.level}", {})[line.label] = said
    cells["mean loss"] = {line.label: number(line.mean_relative_drop, "+.1%") for line in curves.lines}
    body = [[escape(name), *(row.get(label, UNDEFINED) for label in labels)] for name, row in cells.items()]
    table = tabulate(body, ["images", *map(escape, labels)], tablefmt="github", disable_numparse=True)
    note = (
        f"{escape(curves.score)} on images that were made worse, level 1 to 5, for prediction alone, and which part of "
        "the score on images as they are is lost, with its paired 95 % interval."
    )
    return [f"## Robustness: {escape(curves.title)}", "", note, "", table, ""]
