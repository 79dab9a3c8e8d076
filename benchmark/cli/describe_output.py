"""Printing what something is, and its settings."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import TYPE_CHECKING, Any

from ..runs.presets import setting
from ..text import UNDEFINED, number, printable
from . import output

if TYPE_CHECKING:
    from ..commands.describe import DescribedSetting, Description

MIN_WIDTH = 60


def description(found: Description, as_json: bool) -> None:
    """What it is, then setting by setting: default, what is taken, meaning, and what presets change."""
    if as_json:
        output.document(found)
        return
    lines = [f"{found.kind} {found.name}: {found.summary}"]
    lines += [line for key, value in found.facts.items() for line in _fact(key.replace("_", " "), value)]
    if found.settings:
        lines += ["", "settings (--set KEY=VALUE), with their defaults:"]
    for each in found.settings:
        lines += ["", *_setting(each)]
    if found.kind == "dataset":
        lines += ["", f"Classes, layout, licence and downloads: bench data describe {found.name}"]
    # Of a terminal, or as COLUMNS says; a pipe gets whole lines.
    width = shutil.get_terminal_size((0, 0)).columns
    output.text("\n".join(_folded(printable(line), width) for line in lines))


def _fact(key: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"  {key}:", *(f"    {name}: {_plain(each)}" for name, each in value.items())]
    return [f"  {key}: {_plain(value)}"]


def _plain(value: Any) -> str:
    if value is None:
        return UNDEFINED
    if isinstance(value, dict) and "higher_is_better" in value:
        return _score(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items() if each is not None)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def _score(what: dict[str, Any]) -> str:
    """Of a score its meaning, unit, range and direction."""
    low, high = (number(end, "g") for end in (what["low"], what["high"]))
    ends = f"from {low}" if high == UNDEFINED else f"{low} to {high}"
    better = "higher" if what["higher_is_better"] else "lower"
    return f"{what['summary']} ({what['unit']}, {ends}, {better} is better)"


def _setting(each: DescribedSetting) -> list[str]:
    lines = [f"  {setting(each.name, each.default)}", f"    {each.meaning}", f"    takes {each.expected}"]
    for preset, changed in each.presets.items():
        values = (f"{setting(each.name, value)} ({data})" for data, value in changed.items())
        lines.append(f"    preset {preset}: {', '.join(values)}")
    return lines


def _folded(line: str, width: int) -> str:
    """A line broken at words, what follows as deep as its beginning; whole where there is no width."""
    if width < MIN_WIDTH or len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
