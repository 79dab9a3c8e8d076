"""Removing from a record what it says about its maker's machine: paths, user name and host name.

Only what a result does not depend on is rewritten, so a run keeps its id. What its id stands for (a setting, the name
of a method) is named instead, for its maker to decide.
"""

from __future__ import annotations

import getpass
import json
import re
import shlex
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .binding import content_sha256

_NO_NAMES = re.compile(
    "admin(istrator)?|build|container|debian|default|docker|guest|home|jovyan|localhost|nobody|root|runner|server|test|"
    "ubuntu|users?|vagrant|worker|workspace|.{0,2}"
)
"""Names that thousands of users and machines have, and those too short to be looked for."""

_START = r"(?:file:/{1,3}|~[\w.-]*/|/(?=[\w.~-])|[A-Za-z]:[\\/]|\\\\(?=\w))"
_QUOTED = re.compile(rf"(?<=')({_START}[^']*)(?=')|(?<=\")({_START}[^\"]*)(?=\")")
_PLAIN = re.compile(rf"(?<![\w.~/\\-]){_START}[^\s'\"<>|,;)]*")
_WORD = re.compile(rf"(?P<before>|[^/\\]*[=:]){_START}.*", re.DOTALL)
_WHERE = ("--out",)
"""Options that only say where a run went."""


@dataclass(frozen=True)
class Maker:
    """What the maker of a run and the machine are called, in small letters."""

    names: frozenset[str]

    @classmethod
    def here(cls) -> Maker:
        """Of this process."""
        told = [Path.home().name, socket.gethostname(), socket.gethostname().partition(".")[0]]
        with suppress(OSError, KeyError):  # a user without a name, as in a container
            told.append(getpass.getuser())
        small = {name.strip().lower() for name in told}
        return cls(frozenset(name for name in small if not _NO_NAMES.fullmatch(name)))

    def named_in(self, text: str) -> str | None:
        """The name that stands in a text as a word of its own; None where none does."""
        small = text.lower()
        words = (rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])" for name in sorted(self.names))
        return next((found[0] for word in words if (found := re.search(word, small))), None)


def without_maker(content: Mapping[str, Any], maker: Maker) -> dict[str, Any]:
    """The content of a record without paths and names of its maker's machine, where no id stands for them.

    A record that was bound to its content is bound to the new one.
    """
    said: dict[str, Any] = json.loads(json.dumps(content))
    clean = partial(_clean_text, maker=maker)
    said["command"] = _clean_command(str(said.get("command", "")), maker)
    for name in ("warnings", "environment", "cost"):
        if name in said:
            said[name] = _each_text(said[name], clean)
    method = said.get("method")
    if isinstance(method, dict):
        if "chosen" in method:
            method["chosen"] = _each_text(method["chosen"], clean)
        config = method.get("config")
        if isinstance(config, dict) and config.get("init_sha256") is not None and isinstance(config.get("init"), str):
            config["init"] = _clean_word(config["init"], maker)
        if isinstance(config, dict) and config.get("runs") is not None and isinstance(config.get("members"), list):
            config["members"] = [_clean_word(str(member), maker) for member in config["members"]]
    if said != content and said.get("content_sha256") is not None:
        said["content_sha256"] = content_sha256(said)
    return said


def traces_of_maker(content: Any, maker: Maker) -> Iterator[tuple[str, str]]:
    """Where a record (or anything of JSON) still tells of its maker's machine, and what it says there."""
    for where, text in _texts(content, ""):
        found = _PLAIN.search(text) or _QUOTED.search(text)
        private = found[0] if found else maker.named_in(text)
        if private is not None:
            yield where, private


def _clean_command(command: str, maker: Maker) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        return _clean_text(command, maker)
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and word not in _WHERE:
            kept.append(_clean_word(word, maker))
        skip = word in _WHERE
    return command if kept == words else shlex.join(kept)


def _clean_word(word: str, maker: Maker) -> str:
    """A word of a command line: a path of this machine as `path/to/NAME`, also behind `key=` and `torch:`."""
    found = _WORD.fullmatch(word)
    if found:
        return found["before"] + _stand_in(word[len(found["before"]) :], maker)
    if ("/" in word or "\\" in word) and " " not in word and maker.named_in(word):
        key, equals, path = word.rpartition("=")
        return key + equals + _stand_in(path, maker)
    return _clean_text(word, maker)


def _clean_text(text: str, maker: Maker) -> str:
    for pattern in (_QUOTED, _PLAIN):
        text = pattern.sub(lambda found: _stand_in(found[0], maker), text)
    return text


def _stand_in(path: str, maker: Maker) -> str:
    """What stands for a path: its last name, where that tells of nobody."""
    last = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    return "path/to/" + (last if last and ":" not in last and not maker.named_in(last) else "data")


def _each_text(content: Any, change: Callable[[str], str]) -> Any:
    if isinstance(content, str):
        return change(content)
    if isinstance(content, list):
        return [_each_text(each, change) for each in content]
    if isinstance(content, dict):
        return {key: _each_text(each, change) for key, each in content.items()}
    return content


def _texts(content: Any, where: str) -> Iterator[tuple[str, str]]:
    """All texts with their places, keys too."""
    if isinstance(content, str):
        yield where, content
    elif isinstance(content, list):
        for each in content:
            yield from _texts(each, where)
    elif isinstance(content, dict):
        for key, each in content.items():
            yield from _texts(key, where)
            yield from _texts(each, f"{where}.{key}".lstrip("."))
