"""The commands of the committed records still mean the runs that they made: the same settings, the same run id."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from places import ROOT
from segbench.registry import dataset_class, make_method, method_class
from segbench.runs.identity import without_places
from segbench.runs.presets import parse_settings, resolve
from segbench.runs.record import run_id_of

RECORDS = sorted(
    path
    for path in (ROOT / "leaderboards" / "records").glob("*/record.json")
    if json.loads(path.read_text(encoding="utf-8"))["method"]["family"] not in ("external", "human")
)
LATER = {
    "class_weights",
    "close_gaps",
    "encoder_learning_rate_factor",
    "freeze",
    "ghost_batches",
    "init",
    "init_classes",
    "init_sha256",
    "norm",
    "reduction",
    "segment_threshold",
    "task",
}
"""Settings that came after some of the records."""


def resolved(record: dict[str, Any]) -> dict[str, Any]:
    """The configuration that the record's command has today."""
    words = shlex.split(record["command"])
    settings = parse_settings([words[place + 1] for place, word in enumerate(words) if word == "--set"])
    settings |= {"init": words[words.index("--init") + 1]} if "--init" in words else {}
    info = dataset_class(record["dataset"]["name"]).info
    return resolve(record["method"]["preset"], method_class(record["method"]["name"]).info, info, settings)[0]


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parent.name)
def test_a_recorded_command_resolves_to_the_recorded_run(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    method, dataset = record["method"], record["dataset"]
    config = resolved(record)
    for name in method_class(method["name"]).filled_in:  # of files that are not here
        config[name] = method["config"].get(name)
    make_method(method["name"], config)  # every setting is accepted
    for key in LATER - method["config"].keys():
        config.pop(key, None)
    assert json.dumps(config) == json.dumps(method["config"])
    trained = {"weights": method["chosen"]["weights_of"]} if "--weights" in record["command"] else {}
    learned = {"train_on": method["train_on"]} if "train_on" in method else {}
    assert ("--train-on train+val" in record["command"]) is (bool(learned) and "runs" not in config)
    identity = {
        **trained,
        **learned,
        "dataset": dataset["name"],
        "dataset_version": dataset["version"],
        **{key: dataset[key] for key in ("split", "options", "origin", "data_sha256", "inputs_sha256")},
        "metrics": record["metrics"],
        "method": method["name"],
        "preset": method["preset"],
        "config": without_places(config),
        "seed": method["seed"],
        "folds": dataset["folds"],
        "train_fraction": method["train_fraction"],
    }
    assert run_id_of(dataset["name"], method["name"], identity) == record["run_id"]
