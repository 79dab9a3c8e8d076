"""What the documentation tells people to type: commands of blocks of code and of sentences, with where they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from places import ROOT

BLOCK = re.compile(r"(?:^ *<!-- ([\w -]+) -->\n)?^( *)```(\w*)\n(.*?)^\2```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(bench [^`]+)`")
ENDS = {"|", "||", "&&", ";", ">", ">>", "<"}


@dataclass(frozen=True)
class Block:
    """A block of code: what a comment above it calls it, its language, its text, and the line it begins on."""

    name: str
    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Typed:
    """The words of one command after `bench`, and where it is written."""

    words: tuple[str, ...]
    where: str

    def __str__(self) -> str:
        return f"{self.where}: bench {shlex.join(self.words)}"


def pages() -> list[Path]:
    """Every page that people read, but for generated boards and the list of changes."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(page: Path) -> list[Block]:
    """The blocks of code of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1] or "", found[3], re.sub(rf"^{found[2]}", "", found[4], flags=re.MULTILINE), line)
        for found in BLOCK.finditer(text)
        for line in (text.count("\n", 0, found.start(3)) + 1,)
    ]


def typed(page: Path) -> Iterator[Typed]:
    """Every `bench` command of a page's blocks for a shell, fenced or indented."""
    name = page.relative_to(ROOT).as_posix()
    for block in blocks(page):
        if block.language in ("bash", "sh", "console"):
            for line in block.text.replace("\\\n", " ").splitlines():
                yield from (Typed(words, f"{name}:{block.line}") for words in commands_of(line))
    for number, line in enumerate(_without_blocks(page).splitlines(), 1):
        if line.startswith("    bench "):
            yield from (Typed(words, f"{name}:{number}") for words in commands_of(line))


def commands_of(line: str) -> Iterator[tuple[str, ...]]:
    """The words after `bench` (or `python -m segbench`) of each command of a shell's line.

    >>> list(commands_of("bench list methods | head  # all"))
    [('list', 'methods')]
    """
    lexer = shlex.shlex(line.replace("\\\n", " "), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, ";"]:
        if word not in ENDS:
            command.append(word)
            continue
        for start in (["bench"], ["-m", "segbench"]):
            at = next((k for k in range(len(command)) if command[k : k + len(start)] == start), None)
            if at is not None and (at == 0 or start != ["bench"]):
                yield tuple(command[at + len(start) :])
        command = []


def mentioned(page: Path) -> Iterator[Typed]:
    """Every `bench` command that is named within a sentence, often without all that it needs."""
    name, prose = page.relative_to(ROOT).as_posix(), _without_blocks(page)
    for found in INLINE.finditer(prose):
        line = prose.count("\n", 0, found.start()) + 1
        yield Typed(tuple(found[1].split()[1:]), f"{name}:{line}")


def _without_blocks(page: Path) -> str:
    """The text of a page with empty lines in place of fenced blocks."""
    return BLOCK.sub(lambda found: "\n" * found[0].count("\n"), page.read_text(encoding="utf-8"))
