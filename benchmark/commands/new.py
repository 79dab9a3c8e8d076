"""`bench new`: a commented template of a plugin, which works as it is."""

from __future__ import annotations

import importlib.resources
import re
from typing import Literal

from ..io.atomic import encoded, write_text
from ..io.documents import Document
from ..registry import origins, own_plugin_folder, plugin_folders
from ..types import UserError

Kind = Literal["dataset", "method", "metric"]
Base = Literal["plain", "classical", "learned"]

_FOLDERS: dict[Kind, str] = {"dataset": "datasets", "method": "baselines", "metric": "metrics"}
_NEXT: dict[Kind, tuple[str, str]] = {
    "dataset": ("bench run --dataset {name} --method constant", "bench data verify {name}"),
    "method": ("bench run --dataset isbi2012 --method {name}", "bench run --dataset voc2012 --method {name}"),
    "metric": (
        "bench run --dataset isbi2012 --method constant --save-predictions --out runs/first",
        "bench evaluate --dataset isbi2012 --predictions runs/first/predictions --metric {name}",
    ),
}


class NewPlugin(Document):
    """What was written, and what to type next."""

    kind: Kind
    name: str
    files: list[str]
    next: list[str]


def new_plugin(kind: Kind, name: str, base: Base = "plain") -> NewPlugin:
    """Write the template of a plugin into the first plugin folder; a method may begin with a classical or learned base.

    Raises
    ------
    UserError
        For a name that cannot be one or is taken, a base of what is no method, and where a file is there already.
    """
    _refuse_name(kind, name)
    module = name.replace("-", "_")
    if base != "plain" and kind != "method":
        raise UserError(f"--base {base} is for methods; leave it out for a {kind}")
    folder = next(iter(plugin_folders()), None) or own_plugin_folder()
    template = kind if base == "plain" else f"{kind}-{base}"
    texts = {folder / _FOLDERS[kind] / f"{module}.py": _filled(template, name, module)}
    if kind == "dataset":
        texts[folder / "synthetic" / f"{module}.py"] = _filled("generator", name, module)
    for path, text in texts.items():
        if path.exists() and not (path.is_file() and path.read_bytes() == encoded(text)):
            raise UserError(f"'{path}' is there already and is not overwritten. Take another name, or move it away.")
    for path, text in reversed(texts.items()):  # the plugin itself last: from then on its name is taken
        write_text(path, text)
    return NewPlugin(
        kind=kind, name=name, files=[str(path) for path in texts], next=[line.format(name=name) for line in _NEXT[kind]]
    )


def _refuse_name(kind: Kind, name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name):
        raise UserError(
            f"'{name}' cannot be the name of a {kind}. Expected small letters and digits, with - or _ between them, "
            f"such as my-{kind}."
        )
    if name in origins(kind):
        raise UserError(f"there is a {kind} '{name}' already. Take another name.")


def _filled(template: str, name: str, module: str) -> str:
    text = importlib.resources.files(__package__).joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
    words = {"NAME": name, "MODULE": module, "SCORE": module, "CLASS": "".join(map(str.capitalize, module.split("_")))}
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text
