"""`bench describe`: what a dataset, method, metric, preset or suite is, and every setting that it takes."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import ConfigDict, Field

from ..io.documents import Document
from ..registry import dataset_class, datasets, method_class, methods, metric_family, metrics, why_left_out
from ..runs.presets import changes_of, load_preset, preset_names
from ..runs.suite.spec import find_suite, parse_suite, suite_names
from ..settings import SettingDescription, describe_settings
from ..text import some, unknown
from ..types import DatasetInfo, MethodInfo, Metric, UserError

Kind = Literal["method", "dataset", "metric", "preset", "suite"]


class DescribedSetting(SettingDescription, Document):
    """One setting, with what each preset makes of one of a method: by preset, then by dataset, `all` for every one."""

    model_config = ConfigDict(frozen=True)

    presets: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Description(Document):
    """What something is: `facts` differ by kind, `settings` are those of a method or dataset."""

    kind: Kind
    name: str
    summary: str
    facts: dict[str, Any]
    settings: list[DescribedSetting] = Field(default_factory=list)


def describe(name: str) -> Description:
    """The description of a name.

    Raises
    ------
    UserError
        Where nothing is called so: with the nearest name, or what is wrong with the plugin that is.
    """
    known_methods, known_datasets, known_metrics = methods(), datasets(), metrics()
    aliases = {alias for cls in known_datasets.values() for alias in cls.info.aliases}
    lower = name.lower()
    # A family of methods by its prefix, or as `bench list` shows it.
    groups = {**known_methods, **{cls.prefix: cls for cls in known_methods.values() if cls.prefix}}
    if name in groups and groups[name].prefix:
        return _method(groups[name].info)
    if lower in known_methods or ":" in name:
        return _method(method_class(name).info)
    if lower in known_datasets or lower in aliases:
        return _dataset(dataset_class(name).info)
    if lower in known_metrics:
        return _metric(metric_family(lower))
    if name in preset_names():
        content = load_preset(name)
        changed = {method: sorted(layers) for method, layers in content.get("methods", {}).items()}
        return Description(kind="preset", name=name, summary=content["summary"], facts={"changes": changed})
    if name in suite_names() or name.endswith((".yaml", ".yml")):
        return _suite(name)
    for kind in ("dataset", "method", "metric"):
        if (reason := why_left_out(kind, name)) is not None:
            raise UserError(reason)
    if families := [family for family in known_metrics if lower in {s.name for s in metric_family(family).scores}]:
        several = "the metrics " if len(families) > 1 else "the metric "
        raise UserError(f"'{lower}' is a score of {several}{some(families)}: see 'bench describe {families[0]}'.")
    every = [*known_methods, *known_datasets, *known_metrics, *preset_names(), *suite_names()]
    raise UserError(unknown("name", name, every, aliases))


def _method(info: MethodInfo) -> Description:
    changes = {preset: changes_of(preset, info) for preset in preset_names()}
    settings = [
        DescribedSetting(
            **dict(setting),
            presets={
                preset: found
                for preset, layers in changes.items()
                if (found := {data: layer[setting.name] for data, layer in layers.items() if setting.name in layer})
            },
        )
        for setting in describe_settings(info.settings)
    ]
    facts = {"family": info.family, "tasks": list(info.tasks), "reference": info.reference}
    return Description(kind="method", name=info.name, summary=info.summary, facts=facts, settings=settings)


def _dataset(info: DatasetInfo) -> Description:
    facts = {
        "version": info.version,
        "task": info.task,
        "classes": len(info.classes),
        "splits": {name: split.official_size for name, split in info.splits.items()},
        "default_split": info.default_split,
        "metrics": [*info.metrics, *info.further_metrics],
        "main_score": info.main_score,
        "licence": info.licence,
        "homepage": info.homepage,
    }
    settings = [DescribedSetting(**dict(setting)) for setting in describe_settings(info.settings)]
    return Description(kind="dataset", name=info.name, summary=info.summary, facts=facts, settings=settings)


def _metric(metric: Metric) -> Description:
    scores = {
        score.name: {
            "summary": score.summary,
            "unit": score.unit,
            "low": score.low if math.isfinite(score.low) else None,
            "high": score.high if math.isfinite(score.high) else None,
            "higher_is_better": score.higher_is_better,
        }
        for score in metric.scores
    }
    facts = {"version": metric.version, "scores": scores}
    return Description(kind="metric", name=metric.name, summary=metric.summary, facts=facts)


def _suite(name: str) -> Description:
    found, path, text = find_suite(name)
    suite = parse_suite(text, path)
    facts = {
        "preset": suite.preset,
        "datasets": [entry.name for entry in suite.datasets],
        "methods": [entry.name for entry in suite.methods],
        "seeds": len(suite.seeds),
        "runs": suite.size(),
    }
    return Description(kind="suite", name=found, summary=suite.summary, facts=facts)
