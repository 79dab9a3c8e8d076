"""What may stand in `metrics=`: names of metric families."""

from __future__ import annotations

from collections.abc import Iterable

from ..types import UserError


def metric_names(metrics: object) -> tuple[str, ...]:
    """The names in `metrics`. Raises UserError for one text or object in place of a sequence, and for what is no name.

    >>> metric_names(["overlap", "boundary"])
    ('overlap', 'boundary')
    """
    if isinstance(metrics, str):
        raise UserError(f"metrics='{metrics}' is one text; expected a sequence, such as ('{metrics}',)")
    names = []
    for each in metrics if isinstance(metrics, Iterable) else (metrics,):
        if not isinstance(each, str):
            raise UserError(
                f"metrics= holds {_called(each)}; expected names of metric families (segbench.list_metrics() has them "
                "all). For a metric of your own write its file with 'bench new metric NAME', and pass that name."
            )
        names.append(each)
    return tuple(names)


def _called(found: object) -> str:
    """What an object is called in a message: a function or class by its name, anything else by its value."""
    kind = type(found).__name__
    name = getattr(found, "__name__", None)
    return f"the {kind} {name}" if isinstance(name, str) else f"{found!r:.60} (of type {kind})"
