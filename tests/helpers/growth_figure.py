"""What was measured of how commands grow, in `tests/speed/growth.json`: its table and its plot in `docs/speed.md`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.figures.style import COLORS, DASHES, MARKERS, plain_ticks, write_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("images", "pages", "runs")


@dataclass(frozen=True)
class Measured:
    """What one command took for `n` images, pages or runs: seconds of processor, and MB held at most."""

    command: str
    of: str
    n: int
    seconds: float
    memory_mb: float


@dataclass(frozen=True)
class Growth:
    """All that was measured, and the seconds of processor that a command takes which does nothing else than start."""

    start_s: float
    measured: tuple[Measured, ...]

    def points(self, command: str) -> list[Measured]:
        """Those of one command, from few to many."""
        return sorted((each for each in self.measured if each.command == command), key=lambda each: each.n)

    def commands(self, of: str) -> list[str]:
        """Commands that were measured over images, pages or runs."""
        return list(dict.fromkeys(each.command for each in self.measured if each.of == of))

    def exponent(self, command: str) -> float:
        """The power of n by which the time above that of the start grows, from the two largest numbers."""
        first, last = self.points(command)[-2:]
        above = (last.seconds - self.start_s) / (first.seconds - self.start_s)
        return math.log(above) / math.log(last.n / first.n)


def read(path: Path) -> Growth:
    """What `tests/speed/growth.py --save` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Growth(content["start_s"], tuple(Measured(**each) for each in content["measured"]))


def write(path: Path, growth: Growth) -> None:
    """Keep what was measured."""
    path.write_text(json.dumps(asdict(growth), indent=1) + "\n", encoding="utf-8")


def table(growth: Growth) -> list[str]:
    """Markdown: a row for each command."""
    lines = ["| command | of | processor time | memory | time grows as |", "|---|---|---|---|---|"]
    for of in KINDS:
        for command in growth.commands(of):
            points = growth.points(command)
            numbers = _listed([f"{each.n:,}".replace(",", " ") for each in points])
            seconds = _listed([f"{each.seconds:.{0 if each.seconds >= 100 else 1}f}" for each in points])
            memory = _listed([f"{each.memory_mb:,.0f}".replace(",", " ") for each in points])
            power = growth.exponent(command)
            lines.append(f"| `bench {command}` | {numbers} {of} | {seconds} s | {memory} MB | n^{power:.2f} |")
    return lines


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def drawn(growth: Growth) -> Figure:
    """Processor time above and memory below, a column for each of images, pages and runs that was measured."""
    from matplotlib.figure import Figure

    kinds = [of for of in KINDS if growth.commands(of)]
    figure = Figure(figsize=(7.0, 6.0), layout="constrained")
    panels = figure.subplots(2, len(kinds), sharex="col", squeeze=False)
    for (above, below), of in zip(panels.T, kinds, strict=True):
        for place, command in enumerate(growth.commands(of)):
            points = growth.points(command)
            numbers = [each.n for each in points]
            color, marker, dash = COLORS[place], MARKERS[place], DASHES[place % len(DASHES)]
            for axes, values in ((above, [p.seconds for p in points]), (below, [p.memory_mb for p in points])):
                axes.plot(numbers, values, color=color, marker=marker, linestyle=dash, markersize=5, label=command)
        above.set(xscale="log", yscale="log")
        below.set_ylim(0)
        below.set_xlabel(f"number of {of} (log scale)")
        for axis in (above.yaxis, below.xaxis):
            plain_ticks(axis, narrow=True)
        above.legend(frameon=False, fontsize=9)
    panels[0, 0].set_ylabel("processor time (s, log scale)")
    panels[1, 0].set_ylabel("memory at most (MB)")
    return figure


def write_plot(path: Path, growth: Growth) -> None:
    """Write the plot as SVG."""
    write_svg(path, lambda: drawn(growth))
