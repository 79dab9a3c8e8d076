"""`bench list`: what there is, with one line each."""

from __future__ import annotations

from typing import Any, Literal

from ..registry import datasets, methods, metrics, origins
from ..runs.presets import load_preset, preset_origins

What = Literal["datasets", "methods", "metrics", "presets", "suites"]


def listing(what: What) -> list[dict[str, Any]]:
    """One mapping per entry, with `name` and `summary` first, and at last where it comes from."""
    if what == "datasets":
        origin = origins("dataset")
        return [
            {
                "name": name,
                "summary": cls.info.summary,
                "main_score": cls.info.main_score,
                "synthetic": cls.info.synthesizable,
                "licence": cls.info.licence,
                "origin": origin[name],
            }
            for name, cls in datasets().items()
        ]
    if what == "methods":
        origin = origins("method")
        return [
            {
                "name": name,
                "summary": cls.info.summary,
                "family": cls.info.family,
                "tasks": list(cls.info.tasks),
                "reference": cls.info.reference,
                "origin": origin[name],
            }
            for name, cls in methods().items()
        ]
    if what == "metrics":
        origin = origins("metric")
        return [
            {
                "name": name,
                "summary": metric.summary,
                "version": metric.version,
                "scores": [score.name for score in metric.scores],
                "origin": origin[name],
            }
            for name, metric in metrics().items()
        ]
    if what == "suites":
        from ..runs.suite.spec import find_suite, parse_suite, suite_names

        found = (find_suite(name) for name in suite_names())
        return [{"name": name, "summary": parse_suite(text, path).summary} for name, path, text in found]
    found_presets = preset_origins()
    return [
        {"name": name, "summary": load_preset(name)["summary"], "origin": origin}
        for name, origin in found_presets.items()
    ]
