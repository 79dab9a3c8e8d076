"""The Python API as Markdown, from signatures and docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

FOR_PLUGINS = tuple(f"segbench.{name}" for name in ("types", "data", "methods", "metrics", "settings", "testing"))
"""Modules that plugins import from."""
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
ITEM = re.compile(r"^(\S[^\n]*)\n?((?:(?:[ \t]+[^\n]*|[ \t]*)\n?)*)", re.MULTILINE)


def page(modules: Sequence[str]) -> str:
    """Public names of modules: signature, then what the docstring says."""
    parts = []
    for name in modules:
        module = importlib.import_module(name)
        if len(modules) > 1:
            parts.append(f"## `{name}`\n\n{_prose(inspect.getdoc(module) or '')}")
        for public in _public(module):
            parts.append("\n".join(_entry(f"{name}.{public}", getattr(module, public), "###")))
    return "\n\n".join(parts)


def _public(module: Any) -> list[str]:
    """What a module offers: its `__all__`, else what is defined in it and has a docstring."""
    if names := getattr(module, "__all__", None):
        return [name for name in sorted(names) if not name.startswith("_")]
    own = ((name, value) for name, value in vars(module).items() if not name.startswith("_"))
    return [name for name, value in own if getattr(value, "__module__", "") == module.__name__]


def _entry(name: str, value: Any, mark: str) -> Iterator[str]:
    yield f"{mark} `{name}`\n"
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        yield f"```python\n{name.rpartition('.')[2]} = {_short(repr(value))}\n```\n"
        return
    yield f"```python\n{name.rpartition('.')[2]}{_signature(value)}\n```\n"
    yield from markdown(inspect.getdoc(value) or "")
    if inspect.isclass(value):
        for member, each in vars(value).items():
            function = each.__func__ if isinstance(each, classmethod | staticmethod) else each
            text = inspect.getdoc(each if isinstance(each, property) else function)
            is_shown = isinstance(each, property) or inspect.isfunction(function)
            if not member.startswith("_") and is_shown and text:
                yield f"{mark}# `{member}`\n"
                if not isinstance(each, property):
                    yield f"```python\n{member}{_signature(function)}\n```\n"
                yield from markdown(text)


@dataclass(frozen=True)
class _Annotation:
    """An annotation as it is written, without quotes and without the modules of names."""

    text: str

    def __repr__(self) -> str:
        return re.sub(r"\bsegbench(?:\.\w+)*\.(\w+)", r"\1", self.text)


def _annotation(found: Any) -> Any:
    if found is inspect.Signature.empty:
        return found
    return _Annotation(found if isinstance(found, str) else inspect.formatannotation(found))


def _signature(value: Any) -> str:
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    parameters = [each.replace(annotation=_annotation(each.annotation)) for each in found.parameters.values()]
    signature = str(found.replace(parameters=parameters, return_annotation=_annotation(found.return_annotation)))
    return signature if len(signature) < 90 else _in_lines(signature)


def _in_lines(signature: str) -> str:
    """A signature with a line for each parameter; commas inside of brackets end none."""
    depth, made = 0, ""
    for sign in signature:
        depth += (sign in "([{") - (sign in ")]}")
        made += ",\n   " if sign == "," and depth == 1 else sign
    return made


def _short(text: str, most: int = 100) -> str:
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= most else text[: most - 1] + "…"


def markdown(docstring: str) -> Iterator[str]:
    """A docstring of numpydoc's form: prose, then its sections as lists and examples as code."""
    head, *rest = SECTION.split(docstring)
    yield _prose(head) + "\n"
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        yield f"**{title}**\n"
        if title in ("Notes", "References", "Reference", "Examples", "See Also"):
            yield _prose(body) + "\n"
        else:
            yield "\n".join(_items(body)) + "\n"


def _items(body: str) -> Iterator[str]:
    for head, indented in ITEM.findall(body):
        name, colon, kind = head.partition(" : ")
        text = re.sub(r"\s+", " ", _text(indented.strip()))
        if colon and text:
            yield f"- `{name}` ({_text(kind)}): {text}"
        elif colon:
            yield f"- `{name}`: {_text(kind)}"
        else:
            yield f"- `{head}`: {text}" if text else f"- {_text(head)}"


def _text(text: str) -> str:
    """Prose whose signs mean nothing to Markdown outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([<*_\[\]])", r"\\\1", part) for part in parts)


def _prose(text: str) -> str:
    """Paragraphs; lines of examples become blocks of code."""
    made: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.lstrip().startswith(">>>"):
            made.append("```python\n" + re.sub(r" *# doctest: \+\w+", "", inspect.cleandoc(paragraph)) + "\n```")
        elif re.match(r"\w+ : ", paragraph):
            made.append("\n".join(_items(paragraph)))
        else:
            made.append(_text(inspect.cleandoc(paragraph)))
    return "\n\n".join(made)
