"""Claims of a submitted run that its own folder shows to be impossible, and claims that nothing in it can prove."""

from __future__ import annotations

import datetime
import json
import math
import shlex
from collections.abc import Iterator, Mapping

from ..registry import dataset_class, make_method, method_class, methods
from ..runs.open_data import without_defaults
from ..runs.presets import parse_settings, preset_names, resolve
from ..runs.record import Record
from ..runs.stored import StoredRun
from ..runs.stored_checks import Check
from ..text import number
from ..types import MethodInfo, UserError

EARLIEST = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
"""No segbench made a record before."""
CLOCKS_DIFFER = datetime.timedelta(days=1)
"""By how much a record may seem to come from the future."""
MAX_SECONDS = 10 * 365 * 86400.0
MAX_MEMORY_MB = 1e8
MAX_COUNT = 1e18
"""More than a cost of any run."""

_ROUNDING = 1e-12
_AS_STATED = "as stated: nothing in the folder proves it"


def impossible_checks(run: StoredRun) -> list[Check]:
    """Whether statistics, scores, times, costs and the command of a run can be true at all.

    What only the run itself could prove (its cost, its seed) is named with `ok` None.
    """
    return [
        _statistics(run),
        _families(run),
        _ranges(run),
        _created(run.record),
        _cost(run.record),
        _command(run.record),
        _method(run.record),
        _settings(run.record),
        _all_families(run),
        *_as_stated(run.record),
    ]


def _statistics(run: StoredRun) -> Check:
    """Whether each sample's statistics are such as an image and a prediction can give."""
    known = {metric.name: metric for metric in run.metrics}
    for item in run.statistics:
        fault = known[item.metric].fault(item, run.info)
        if fault is not None:
            return Check.of("possible", False, f"{item.metric} of '{item.sample_id}': {fault}")
    return Check.of("possible", True, "an image and a prediction can give these statistics")


def _families(run: StoredRun) -> Check:
    """Whether all families that count the same pixels of a sample found as many, and agree on its group and place."""
    known = {metric.name: metric for metric in run.metrics}
    seen: dict[tuple[str, str], tuple[str, object]] = {}
    for item in run.statistics:
        told: dict[str, object] = {"group and place": (item.group, item.index)}
        told |= known[item.metric].totals(item, run.info)
        for what, value in told.items():
            family, other = seen.setdefault((item.sample_id, what), (item.metric, value))
            if other != value:
                where = f"of '{item.sample_id}'"
                return Check.of("agreement", False, f"{what} {where}: {value} in {item.metric}, {other} in {family}")
    return Check.of("agreement", True, "families that count the same pixels found as many")


def _ranges(run: StoredRun) -> Check:
    """Whether scores, with their intervals, lie in their ranges."""
    for metric in run.metrics:
        for info in metric.scores:
            stored = run.record.scores.get(info.name)
            for value in (stored.value, stored.low, stored.high) if stored is not None else ():
                if value is not None and not info.low - _ROUNDING <= value <= info.high + _ROUNDING:
                    span = f"from {info.low:g} to {info.high:g}"
                    return Check.of("range", False, f"{info.name} is {value}; it lies {span}")
    return Check.of("range", True, "scores lie in their ranges")


def _created(record: Record) -> Check:
    try:
        made = datetime.datetime.fromisoformat(record.created)
    except ValueError:
        expected = "expected one such as 2026-01-31T12:00:00+00:00"
        return Check.of("created", False, f"'{record.created}' is no time; {expected}")
    if made.tzinfo is None:
        return Check.of("created", False, f"{record.created} has no time zone; expected one such as +00:00")
    possible = EARLIEST <= made <= datetime.datetime.now(datetime.UTC) + CLOCKS_DIFFER
    return Check.of("created", possible, record.created if possible else f"{record.created}: no run was made then")


def _cost(record: Record) -> Check:
    cost = record.cost
    limits: Mapping[str, tuple[float | None, float]] = {
        "train_s": (cost.train_s, MAX_SECONDS),
        "earlier_train_s": (cost.earlier_train_s, cost.train_s or 0.0),
        "predict_ms_per_image": (cost.predict_ms_per_image, 1000 * MAX_SECONDS),
        "best_batch_ms_per_image": (cost.best_batch_ms_per_image, 1000 * MAX_SECONDS),
        "best_batch": (cost.best_batch, MAX_COUNT),
        "macs_per_image": (cost.macs_per_image, MAX_COUNT),
        "peak_memory_mb": (cost.peak_memory_mb, MAX_MEMORY_MB),
        "parameters": (cost.parameters, MAX_COUNT),
    }
    for name, (value, most) in limits.items():
        if value is not None and not (math.isfinite(value) and 0 <= value <= most):
            return Check.of("cost", False, f"{name} is {value}; expected a number from 0 to {most:g}")
    return Check.of("cost", None, _AS_STATED)


def _command(record: Record) -> Check:
    """Whether the command is one of segbench that makes this run: of its dataset, its method and its seed."""
    try:
        words = shlex.split(record.command)
    except ValueError as error:
        return Check.of("command", False, f"'{record.command}' cannot be read as a command line ({error})")
    expected = "bench evaluate" if record.method.from_elsewhere else "bench run"
    if words[:2] != expected.split():
        return Check.of("command", False, f"'{record.command[:60]}' makes no such run; expected '{expected} …'")
    told = _options(words[2:])
    method, data = record.method, record.dataset
    stated = {"--dataset": (data.name, ""), "--split": (data.split, data.split)}
    if expected == "bench evaluate":
        stated["--family"] = (method.family, "external")
    if expected == "bench run":
        stated |= {"--method": (method.name, ""), "--preset": (str(method.preset), "quick")}
        stated |= {"--seed": (str(method.seed), "0")}
        stated |= {"--folds": (str(data.folds), "None")} if record.fitted else {}
        # Of runs that are joined, their own commands say it.
        fraction, splits = f"{method.train_fraction or 1:g}", method.train_on or "train"
        stated |= (
            {} if "runs" in method.config else {"--train-fraction": (fraction, "1"), "--train-on": (splits, "train")}
        )
    told |= {"--method": _name(told["--method"])} if "--method" in told else {}
    if not record.fitted and "--folds" in told:
        told.setdefault("--split", "all")
    for name, (value, default) in stated.items():
        if told.get(name, default) != value:
            return Check.of("command", False, f"says {name} {told.get(name, default) or '–'}, the record {value}")
    return Check.of("command", True, "makes this dataset, split, method and seed")


def _name(method: str) -> str:
    """The name in records of a method that a command names: one of a family has one way to be written."""
    try:
        return str(method_class(method).info.name) if ":" in method else method
    except UserError:
        return method


def _options(words: list[str]) -> dict[str, str]:
    """The value of every option that a command line gives once."""
    short = {"-d": "--dataset", "-m": "--method"}
    found: dict[str, str] = {}
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name.startswith("-"):
            following = words[place + 1] if place + 1 < len(words) else ""
            found.setdefault(short.get(name, name), value if equals else following)
    return found


def _method(record: Record) -> Check:
    """Whether the method is of this family, and has this preset, as far as it is known here."""
    method = record.method
    if method.from_elsewhere:
        return Check.of("method", method.preset is None, f"{method.family} predictions have no preset")
    try:
        cls = method_class(method.name)
        info = cls.info
        family = info.family if info.trains else make_method(method.name, method.config).family
    except UserError:
        return Check.of("method", None, f"'{method.name}' is not known here: {_AS_STATED}")
    if family != method.family:
        return Check.of("method", False, f"{method.name} is {family}, the record says {method.family}")
    if method.preset not in preset_names():
        told = "none" if method.preset is None else f"'{method.preset}'"
        return Check.of("method", False if method.name in methods() else None, f"there is no preset {told}")
    unknown = sorted(set(method.config) - set(info.settings.model_fields))
    if unknown:
        return Check.of("method", False, f"{method.name} has no setting '{unknown[0]}'")
    return Check.of("method", True, f"{method.name} is {info.family} and has these settings")


def _settings(record: Record) -> Check:
    """Whether the command makes the configuration of the method and the options of the data that are stated.

    A setting that is younger than the record is passed over.
    """
    method, data = record.method, record.dataset
    if not method.from_elsewhere and method.preset not in preset_names():  # a stranger's path is not opened
        return Check.of("settings", None, f"preset '{method.preset}' is not known here: {_AS_STATED}")
    try:
        words = shlex.split(record.command)
        given = parse_settings([words[i + 1] for i, word in enumerate(words[:-1]) if word == "--set"])
        asked = _options(words[2:])
        given |= {key: asked[f"--{key}"] for key in ("init", "freeze") if f"--{key}" in asked}
        filled: tuple[str, ...] = ()
        if method.from_elsewhere:
            config, options = method.config, given
        else:
            info: MethodInfo = method_class(method.name).info
            filled = method_class(method.name).filled_in
            config, options = resolve(str(method.preset), info, dataset_class(data.name).info, given)
        options = without_defaults(data.name, options)
    except (UserError, ValueError) as error:
        return Check.of("settings", None, f"what the command makes is not known here ({error}): {_AS_STATED}")
    if _json(options) != _json(data.options):
        return Check.of("settings", False, f"the command makes the options {options}, the record says {data.options}")
    own = {key: value for key, value in method.config.items() if key not in filled}
    other = [key for key, value in own.items() if _json(config.get(key)) != _json(value)]
    if other:
        told = f"the command makes {other[0]}={config.get(other[0])}, the record says {method.config[other[0]]}"
        return Check.of("settings", False, told)
    return Check.of("settings", True, "the command makes this configuration")


def _json(content: object) -> str:
    """Equal texts of equal settings: a number is the same as it was typed, `0`, and as the record has it, `0.0`."""
    return json.dumps(_plain(json.loads(json.dumps(content, default=str))), sort_keys=True)


def _plain(content: object) -> object:
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_plain(value) for value in content]
    return float(content) if isinstance(content, int) and not isinstance(content, bool) else content


def _all_families(run: StoredRun) -> Check:
    """Whether the families that score the dataset are all there: one that is left out could have told the worse."""
    held, wanted = {metric.name for metric in run.metrics}, run.info.metrics
    others = {*run.info.object_metrics, *run.info.panoptic_metrics}
    elsewhere = bool(held & others) and not held & set(wanted)
    missing = [name for name in (() if elsewhere else wanted) if name not in held]
    told = f"{missing[0]} is missing" if missing else "those that score the dataset"
    return Check.of("all families", not missing, told)


def _as_stated(record: Record) -> Iterator[Check]:
    if record.method.seed is not None:
        yield Check.of("seed", None, _AS_STATED)
    if record.fitted:
        yield Check.of("training", None, f"on {number(record.method.n_train, 'g')} labels, {_AS_STATED}")
