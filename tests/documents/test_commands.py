"""What the documentation tells people to type is what the command line takes."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest

from documented_commands import Typed, commands_of, mentioned, pages, typed
from places import ROOT
from segbench.cli import _spread_settings
from segbench.cli.app import bench

PAGES = [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages()]


@functools.cache
def _bench() -> Any:
    return bench()


def parse(words: tuple[str, ...]) -> None:
    """Read a command as `bench` does, and do nothing. Raises an error of click's where it would be refused."""
    group, path, left = _bench(), "bench", _spread_settings(list(words))
    while hasattr(group, "commands"):
        if left and left[0].startswith("-"):
            group.make_context(path, [*left, "--help"], resilient_parsing=True)
            return
        name = left.pop(0) if left else ""
        if name not in group.commands:
            raise KeyError(f"'{path}' has no command '{name}'")
        group, path = group.commands[name], f"{path} {name}"
    group.make_context(path, left)


def unknown_words(words: tuple[str, ...]) -> list[str]:
    """Commands and options that `bench` has not, of a command that may be incomplete."""
    group = _bench()
    left = list(words)
    while hasattr(group, "commands"):
        name = left.pop(0) if left else ""
        if name in ("…", "COMMAND", ""):
            return []
        if name.startswith("-"):
            return [name] if name not in options_of(group) else []
        if name not in group.commands:
            return [name]
        group = group.commands[name]
    flags = [re.split(r"[=,.;:)]", word)[0] for word in left if re.match(r"--?[a-z]", word)]
    return [flag for flag in flags if flag not in options_of(group)]


def options_of(command: Any) -> set[str]:
    """Every option of a command or of a group itself."""
    return {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)} | {"--help", "-h"}


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_blocks_are_read_by_the_command_line(page: Path) -> None:
    refused = []
    for command in typed(page):
        try:
            parse(command.words)
        except Exception as error:  # click's errors, and its exits
            refused.append(f"{command}\n    {getattr(error, 'message', error)}")
    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_of_sentences_exist(page: Path) -> None:
    wrong = [f"{command}: {found}" for command in mentioned(page) if (found := unknown_words(command.words))]
    assert not wrong, "\n".join(wrong)


def test_every_command_is_on_some_page() -> None:
    named = {each.words[:2] for page in pages() for each in (*typed(page), *mentioned(page))}
    starts = {words[:count] for words in named for count in (1, 2)}
    assert {(name,) for name in _bench().commands} <= starts


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--dataset", "medaka"),
        ("run", "--dataset", "medaka", "--method", "unet", "--colour", "red"),
        ("run", "--dataset", "medaka", "--method", "unet", "--source", "elsewhere"),
        ("data", "describes", "medaka"),
    ],
)
def test_wrong_commands_are_noticed(words: tuple[str, ...]) -> None:
    with pytest.raises(Exception, match=r"(?i)missing|no such option|elsewhere|describes"):
        parse(words)


def test_wrong_words_of_sentences_are_noticed() -> None:
    assert unknown_words(("run", "…", "--colour", "red")) == ["--colour"]
    assert unknown_words(("describes", "medaka")) == ["describes"]
    assert unknown_words(("--versions",)) == ["--versions"]


def test_lines_of_a_shell_are_taken_apart() -> None:
    line = "cd x && bench list methods | head; accelerate launch -m segbench run -d a -m unet  # bench nothing"
    assert list(commands_of(line)) == [("list", "methods"), ("run", "-d", "a", "-m", "unet")]
    assert str(Typed(("list",), "docs/x.md:3")) == "docs/x.md:3: bench list"
