"""What a plugin names as `module:object` for other rooms to use."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from typing import Any

from ..types import Metric, UserError


def hook(metric: Metric, name: str) -> Any | None:
    """What another room does for this metric family alone; None where the family names nothing under `name`.

    A family lies below the rooms that draw, rank and report it, so it names the function, or the text, in its class
    attribute `hooks` as `module:name`, which is imported when it is asked for. A room uses the hooks that it knows and
    never asks for a family by its name.

    Raises
    ------
    UserError
        Where what the family names cannot be imported.
    """
    target = metric.hooks.get(name)
    if target is None:
        return None
    return load_named(target, f"metric '{metric.name}': its hook '{name}'")


def load_named(target: str, what: str) -> Any:
    """What a plugin names as `module:object`. Raises UserError that begins with `what` where it is not there."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{what}, '{target}', cannot be loaded ({error})") from error


def hooks(metrics: Iterable[Metric], name: str) -> Iterator[tuple[Metric, Any]]:
    """The families that name a hook, each with its function, in their order."""
    for metric in metrics:
        if (found := hook(metric, name)) is not None:
            yield metric, found
