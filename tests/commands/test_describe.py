"""`bench describe`: of a method every setting with type, default, range, meaning and what each preset changes."""

from __future__ import annotations

from typing import Any

import pytest

from commands import Run, printed_json
from segbench.commands.describe import Description, describe
from segbench.errors import UserError
from segbench.registry import datasets, method_class, methods, metrics
from segbench.runs.presets import load_preset, preset_names, resolve
from segbench.settings import check_settings


def setting(found: Description, name: str) -> dict[str, Any]:
    (only,) = (each for each in found.settings if each.name == name)
    return only.model_dump()


def test_a_learned_method_says_every_setting() -> None:
    found = describe("unet")
    assert (found.kind, found.name, found.facts["family"]) == ("method", "unet", "learned")
    assert {each.name: each.default for each in found.settings} == method_class("unet").info.defaults
    depth = setting(found, "depth")
    assert (depth["type"], depth["default"], depth["minimum"], depth["maximum"]) == ("whole number", 4, 1, 7)
    assert depth["meaning"] == "Number of halvings."
    assert depth["presets"]["quick"] == {"medaka": 4}
    rate = setting(found, "learning_rate")
    assert (rate["minimum"], rate["above_minimum"], rate["presets"]["quick"]) == (0, True, {"all": 0.003})


def test_a_classical_method_says_what_it_tries() -> None:
    found = describe("threshold")
    sigma, kind = setting(found, "sigma"), setting(found, "kind")
    assert sigma["to_try"]
    assert (sigma["type"], sigma["default"], sigma["minimum"]) == ("number", [0.0, 1.0, 2.0, 4.0, 8.0], 0)
    assert kind["options"] == kind["default"]
    assert setting(found, "max_images")["presets"]["paper"] == {"all": 50}


def test_a_dataset_says_its_settings_as_a_method_does(bench: Run) -> None:
    view, train_view, _ = describe("medaka").settings
    assert (view.default, view.options, view.nullable) == ("both", ["ventral", "lateral", "both"], False)
    assert (train_view.default, train_view.nullable) == (None, True)
    told = bench("describe", "cityscapes").stdout
    assert "  annotations=fine" in told.splitlines()
    assert "    takes one of fine, coarse" in told.splitlines()
    options = printed_json(bench("data", "describe", "cityscapes", "--json"))["options"]
    assert options.keys() == {"annotations"}
    assert "gtCoarse" in options["annotations"]


@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
def test_presets_change_what_is_said_and_nothing_else(preset: str) -> None:
    for name, cls in methods().items():
        found, data = describe(name), datasets()["medaka"].info
        said = {each.name: each.default for each in found.settings}
        for layer in ("all", "medaka"):
            said |= {e.name: e.presets[preset][layer] for e in found.settings if layer in e.presets.get(preset, {})}
        config = resolve(preset, cls.info, data, {})[0]
        assert said == config
        check_settings(cls.info.settings, f"method {name}", config)


@pytest.mark.slow
def test_every_other_name_is_described() -> None:
    assert describe("smp:Unet/resnet18").name == "smp:Unet/resnet18"
    assert describe("smp") == describe("smp:<Architecture>/<encoder>")
    assert describe("medaka").facts["task"] == "binary"
    for name, metric in metrics().items():
        assert list(describe(name).facts["scores"]) == [score.name for score in metric.scores]
    for name in preset_names():
        assert describe(name).summary == load_preset(name)["summary"]
    assert describe("smoke").kind == "suite"


def test_a_name_that_is_none_has_the_nearest(bench: Run) -> None:
    with pytest.raises(UserError, match="Did you mean 'watershed'"):
        describe("watersched")
    done = bench("describe", "watersched")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_terminal_and_json_say_the_same(bench: Run) -> None:
    done = bench("describe", "kmeans", COLUMNS="80")
    assert done.returncode == 0
    assert "  cut=[0.5, 0.25, 0.75]" in done.stdout.splitlines()
    taken = "takes one or a list of whole numbers such as [2, 3, 4, 6, 8], each at least 2"
    assert taken in " ".join(done.stdout.split())
    assert "preset paper: max_images=50 (all)" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert Description.model_validate(printed_json(bench("describe", "kmeans", "--json"))) == describe("kmeans")


def test_scores_and_sizes_of_splits_are_told_in_words(bench: Run) -> None:
    told = bench("describe", "boundary").stdout
    assert "(fraction, 0 to 1, higher is better)" in told
    assert "(px, from 0, lower is better)" in told
    assert "null" not in bench("describe", "folder").stdout


def test_a_score_is_told_from_a_name_that_nothing_has(bench: Run) -> None:
    one, several = bench("describe", "v_info"), bench("describe", "Dice")
    assert one.returncode == several.returncode == 2
    assert "'v_info' is a score of the metric partition: see 'bench describe partition'." in one.stderr
    assert "'dice' is a score of the metrics binary-overlap, " in several.stderr
