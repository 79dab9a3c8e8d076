"""The reference, made from the code itself: commands, settings, scores, the record and the Python API."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import python_reference
from segbench.api.schemas import DOCUMENTS, schema
from segbench.cli.app import bench
from segbench.commands.describe import DescribedSetting, describe
from segbench.registry import datasets, methods, metrics
from segbench.text import UNDEFINED

MADE = "reference"
TITLES = {
    "cli.md": "Command line",
    "settings.md": "Settings of methods",
    "options.md": "Options of datasets",
    "scores.md": "Scores",
    "record.md": "The record of a run",
    "python.md": "Python API",
    "plugins.md": "Python API for plugins",
}


def nav() -> list[dict[str, str]]:
    """Entries of the navigation."""
    return [{title: f"{MADE}/{name}"} for name, title in TITLES.items()]


def links() -> str:
    """All pages in one line of Markdown, for the home page."""
    return " · ".join(f"[{title}]({MADE}/{name})" for name, title in TITLES.items())


def pages() -> dict[str, str]:
    """Every generated page by its address in the site."""
    made = {
        "cli.md": "\n".join(_command_line()),
        "settings.md": "\n".join(_settings()),
        "options.md": "\n".join(_options()),
        "scores.md": "\n".join(_scores()),
        "record.md": "\n".join(_record()),
        "python.md": python_reference.page(["segbench"]),
        "plugins.md": python_reference.page(python_reference.FOR_PLUGINS),
    }
    return {f"{MADE}/{name}": f"# {TITLES[name]}\n\n{text}\n" for name, text in made.items()}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell(each) for each in line) + " |" for line in lines] + [""]


def cell(text: str) -> str:
    """Text that may stand in a table and holds no HTML."""
    parts = re.split(r"(`[^`]*`)", text.replace("\n", " "))
    return "".join(_code_in_a_cell(part) if part.startswith("`") else _prose_in_a_cell(part) for part in parts)


def _code_in_a_cell(part: str) -> str:
    return f"<code>{html.escape(part[1:-1]).replace('|', '&#124;')}</code>" if "|" in part else part


def _prose_in_a_cell(part: str) -> str:
    return part.replace("<", "&lt;").replace("*", "\\*").replace("|", "\\|")


def code(text: str) -> str:
    """Text as code, also an empty one."""
    return f"`{text}`" if text else ""


def commands(group: Any, path: str = "bench") -> Iterator[tuple[str, Any]]:
    """Every command below a group with the words that call it."""
    for name in group.commands:
        command = group.commands[name]
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _command_line() -> Iterator[str]:
    yield "Every command has `--help`. Exit status: 0 fine, 1 a check failed, 2 the input was wrong, 130 interrupted."
    yield ""
    for words, command in commands(bench()):
        context = command.make_context(words, [], resilient_parsing=True)
        yield f"## `{words}`\n"
        yield re.sub(r"\s+", " ", command.help or "") + "\n"
        usage = " ".join(command.collect_usage_pieces(context))
        yield f"```text\n{words} {usage}\n```\n"
        records = [found for each in command.get_params(context) if (found := each.get_help_record(context))]
        yield from table(("option", "meaning"), [(code(flags), meaning) for flags, meaning in records])
        _, *examples = (command.epilog or "").removeprefix("\b\n").splitlines() or [""]
        if examples:
            yield "```bash\n" + "\n".join(map(str.strip, examples)) + "\n```\n"


def _value(value: Any) -> str:
    return UNDEFINED if value is None else code(value if isinstance(value, str) else json.dumps(value))


def _described(settings: Sequence[DescribedSetting]) -> list[str]:
    rows = []
    for each in settings:
        changed = [f"`{name}`: {_layers(layers)}" for name, layers in each.presets.items()]
        rows.append((code(each.name), _value(each.default), each.expected, each.meaning, "; ".join(changed)))
    head = ("setting", "default", "takes", "meaning", "presets")
    return table(head if any(row[-1] for row in rows) else head[:-1], [row[: len(head)] for row in rows])


def _layers(layers: dict[str, Any]) -> str:
    return ", ".join(f"{_value(value)}{'' if data == 'all' else f' on {data}'}" for data, value in layers.items())


def _settings() -> Iterator[str]:
    yield "Change a setting with `--set KEY=VALUE`. `bench describe METHOD` prints the same at a terminal.\n"
    for name in sorted(methods()):
        found = describe(name)
        yield f"## `{found.name}`\n"
        yield f"{found.summary}. {found.facts['family'].capitalize()}; {cell(str(found.facts['reference']))}.\n"
        yield from _described(found.settings) if found.settings else ["It has no settings.\n"]


def _options() -> Iterator[str]:
    yield "Change an option with `--set KEY=VALUE`. `bench data describe DATASET` has classes, layout and licence.\n"
    for name in sorted(datasets()):
        found = describe(name)
        yield f"## `{found.name}`\n"
        yield f"{found.summary}. Main score: `{found.facts['main_score']}`.\n"
        yield from _described(found.settings) if found.settings else ["It has no options.\n"]


def _scores() -> Iterator[str]:
    yield "Scores by family. The names are stable; a family's version changes when one of its values can.\n"
    for name in sorted(metrics()):
        found = describe(name)
        yield f"## `{name}`, version {found.facts['version']}\n"
        yield f"{found.summary}.\n"
        rows = [
            (
                code(score),
                what["summary"],
                what["unit"],
                " to ".join(UNDEFINED if what[end] is None else f"{what[end]:g}" for end in ("low", "high")),
                "higher" if what["higher_is_better"] else "lower",
            )
            for score, what in found.facts["scores"].items()
        ]
        yield from table(("score", "meaning", "unit", "range", "better"), rows)


def _record() -> Iterator[str]:
    found = schema(DOCUMENTS["record"])
    yield "`record.json` of a run folder, and what `bench run --json` and `bench evaluate --json` print.\n"
    yield "Keys and their meaning stay. A later version may add keys, so ignore what you do not know.\n"
    for name, block in {"Record": found, **found["$defs"]}.items():
        yield f"## {name}\n"
        yield block.get("description", "") + "\n"
        required = block.get("required", ())
        rows = [
            (code(key), _type(each), "yes" if key in required else "")
            for key, each in block.get("properties", {}).items()
        ]
        yield from table(("key", "type", "required"), rows)


def _type(found: dict[str, Any]) -> str:
    if "$ref" in found:
        name = found["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in found:
        return " or ".join(_type(each) for each in found["anyOf"])
    if "enum" in found:
        return ", ".join(code(str(each)) for each in found["enum"])
    kind = str(found.get("type", "any"))
    if kind == "array":
        return f"array of {_type(found.get('items', {}))}"
    more = found.get("additionalProperties")
    return f"object of {_type(more)}" if kind == "object" and isinstance(more, dict) and more else kind
