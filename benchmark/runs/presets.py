"""Presets and settings: from a method's defaults to the configuration of a run."""

from __future__ import annotations

import copy
import functools
import importlib.resources
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..errors import PluginWarning
from ..io.text_files import read_text
from ..io.yaml import Limits, read_yaml
from ..registry import OWN, user_files
from ..text import unknown
from ..types import DatasetInfo, MethodInfo, UserError

_LIMITS = Limits(nodes=1000, depth=5)
"""How much one value of `--set` may hold."""


def preset_names() -> tuple[str, ...]:
    """Names of all presets: those that come with segbench, from the cheapest, then the user's own."""
    return tuple(preset_origins())


def preset_origins() -> dict[str, str]:
    """Where every preset comes from: `segbench`, or a file `presets/<name>.yaml` in a plugin folder.

    A file that is no preset, or has the name of another, is named in a PluginWarning and left out.
    """
    found = dict.fromkeys(_names_of_segbench(), OWN)
    for path in user_files("presets", "yaml"):
        try:
            _read_own(path)
            if path.stem in found:
                raise UserError(f"{path}: {found[path.stem]} has a preset of this name. Rename the file.")
        except UserError as error:
            warnings.warn(f"preset left out: {error}", PluginWarning, stacklevel=2)
        else:
            found[path.stem] = str(path)
    return found


@functools.cache
def _names_of_segbench() -> tuple[str, ...]:
    order = {"quick": 0, "standard": 1, "paper": 2}
    folder = importlib.resources.files("segbench.configs.presets")
    names = [file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")]
    return tuple(sorted(names, key=lambda name: (order.get(name, len(order)), name)))


def load_preset(name: str) -> dict[str, Any]:
    """The content of a preset: `summary` and `methods`. Raises UserError for an unknown name or a bad file."""
    return copy.deepcopy(_loaded(name))


def _loaded(name: str) -> dict[str, Any]:
    """The content of a preset, which others have too: it is not to be changed."""
    found = preset_origins()
    if name not in found:
        for path in user_files("presets", "yaml"):
            if path.stem == name:
                _read_own(path)
        raise UserError(unknown("preset", name, found))
    if found[name] != OWN:
        return _read_own(Path(found[name]))
    return _read_of_segbench(name)


@functools.cache
def _read_of_segbench(name: str) -> dict[str, Any]:
    """The content of a preset that comes with segbench, read once: a large suite asks for every cell."""
    text = importlib.resources.files("segbench.configs.presets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = read_yaml(text, f"preset {name}")
    return content


def _read_own(path: Path) -> dict[str, Any]:
    """The content of a user's preset. Raises UserError naming the file for what is none."""
    try:
        content = read_yaml(read_text(path), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    content = content if isinstance(content, dict) else {}
    methods = content.get("methods")
    tables = list(methods.values()) if isinstance(methods, dict) else [None]
    tables += [layer for table in tables if isinstance(table, dict) for layer in table.values()]
    if not isinstance(content.get("summary"), str) or not all(isinstance(table, dict) for table in tables):
        raise UserError(
            f"{path}: is no preset. Expected 'summary', one line of text, and 'methods', settings by method and then "
            "by dataset ('all' for every dataset), as in configs/presets/quick.yaml."
        )
    return content


def changes_of(preset: str, method: MethodInfo) -> dict[str, dict[str, Any]]:
    """What a preset changes of a method's defaults: by dataset, `all` for every one, the settings with their values.

    A method of a family (`smp:Unet/resnet18`) without an entry of its own has the family's. Raises UserError for an
    unknown preset.
    """
    methods = _loaded(preset).get("methods", {})
    layers = methods.get(method.name, methods.get(method.name.partition(":")[0], {}))
    return {dataset: copy.deepcopy(layer) or {} for dataset, layer in layers.items()}


def resolve(
    preset: str, method: MethodInfo, dataset: DatasetInfo, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A method's whole configuration and the dataset's options.

    The method's defaults, changed by the preset for all datasets, then for this one, then by the user's settings.
    Settings that the dataset knows are its own.

    Raises
    ------
    UserError
        For a setting that neither knows.
    """
    layers = changes_of(preset, method)
    config = dict(method.defaults)
    for layer in (layers.get("all"), layers.get(dataset.name)):
        config.update(layer or {})
    options: dict[str, Any] = {}
    for key, value in settings.items():
        if key in dataset.options:
            options[key] = value
        elif key in method.defaults:
            config[key] = value
        else:
            what = f"setting of method {method.name} or dataset {dataset.name}"
            raise UserError(unknown(what, key, [*method.defaults, *dataset.options]))
    foreign = sorted(set(config) - set(method.defaults))
    if foreign:
        raise UserError(
            f"preset '{preset}': " + unknown(f"setting of method {method.name}", foreign[0], method.defaults)
        )
    return config, options


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Turn `key=value` into a mapping; values are read as YAML, so 0.1, true, null and [256, 256] mean what they say.

    Raises UserError for what is no `key=value`, or no plain value.

    >>> parse_settings(["learning_rate=0.01", "size=[256, 256]", "view=lateral"])
    {'learning_rate': 0.01, 'size': [256, 256], 'view': 'lateral'}
    """
    settings: dict[str, Any] = {}
    for word in (word for pair in pairs for word in _split(pair)):
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set takes key=value, found '{word}'. For example: --set learning_rate=0.001")
        settings[key.strip()] = _number(read_yaml(value, f"--set {word}", _LIMITS))
    return settings


def setting(key: str, value: Any) -> str:
    """A setting as `--set` takes it."""
    return f"{key}={_written(_Value(repr(value), value))}"


@dataclass(frozen=True)
class _Value:
    """A value of a setting, which is what its `repr` says: 1, 1.0 and True are three."""

    shown: str
    value: Any = field(compare=False)


@functools.lru_cache(4096)
def _written(value: _Value) -> str:
    text: str = yaml.safe_dump(value.value, default_flow_style=True, width=1e9)
    return text.partition("\n")[0]


def _split(pair: str) -> list[str]:
    """`a=1 b=2` in one word is two settings; a value with spaces, such as a list, stays whole."""
    words = pair.split()
    return words if len(words) > 1 and all("=" in word for word in words) else [pair]


def _number(value: Any) -> Any:
    """YAML 1.1 takes 1e-4 for a word; everybody else takes it for a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
