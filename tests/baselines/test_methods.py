"""Every method of the registry keeps the contract, and plugins from elsewhere are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commands import Run
from places import ROOT
from segbench.registry import datasets, make_dataset, make_method, method_class, methods
from segbench.runs.presets import load_preset, preset_names, resolve
from segbench.testing import check_method
from segbench.types import Samples
from small_settings import ONE_STEP, SMALL

CHEAP: dict[str, dict[str, Any]] = {
    "unet": {
        "base_channels": 4,
        "depth": 2,
        "epochs": 1,
        "iterations_per_epoch": 2,
        "size": [48, 48],
        "precision": "fp32",
    }
}


CHEAP |= {name: small | ONE_STEP for name, small in SMALL.items()}

FAMILIES = {"smp": "smp:Unet/resnet18", "torchvision": "torchvision:lraspp_mobilenet_v3_large"}
"""A method of each family."""


NAMES = {
    name for name, cls in methods().items() if cls.info.trains and cls.info.family != "classical" and "<" not in name
}
"""Those that are fitted; the classical ones, on every dataset, are in test_classical.py."""
PAIRS = [(name, "isbi2012") for name in sorted(NAMES | {*FAMILIES.values()})] + [("unet", "medaka"), ("fcn", "medaka")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data"), PAIRS)
def test_every_method_conforms(name: str, data: str, stacks: Path, hearts: Path, tmp_path: Path) -> None:
    dataset = make_dataset(data, {"isbi2012": stacks, "medaka": hearts}[data])
    train, val = (Samples(dataset, dataset.ids(split)[:3]) for split in ("train", "val"))
    check_method(lambda: make_method(name, CHEAP.get(name)), train, val, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_a_configuration_that_its_methods_take(preset: str) -> None:
    assert load_preset(preset)["summary"]
    for entry in load_preset(preset)["methods"]:
        method = FAMILIES.get(entry, entry)
        for data in datasets().values():
            config, _ = resolve(preset, method_class(method).info, data.info, {})
            assert set(make_method(method, config).config) == set(method_class(method).info.defaults)


@pytest.mark.parametrize("preset", ["quick", "standard"])
def test_every_network_sees_photographs_in_colour(preset: str) -> None:
    for entry in load_preset(preset)["methods"]:
        info = method_class(FAMILIES.get(entry, entry)).info
        for name in ("voc2012", "cocostuff", "cityscapes", "camvid", "folder") if "input" in info.defaults else ():
            assert resolve(preset, info, datasets()[name].info, {})[0]["input"] == "rgb", (entry, name)


def test_the_paper_preset_is_the_published_training() -> None:
    config, _ = resolve("paper", methods()["unet"].info, datasets()["medaka"].info, {})
    wanted = {"learning_rate": 1e-5, "batch_size": 8, "epochs": 60, "iterations_per_epoch": 300, "size": [256, 256]}
    lecture = {"loss": "dice", "zoom": 0.1, "shift": 0.05, "rotation": 0.2, "shear": 0.1, "flip": True}
    assert {key: config[key] for key in wanted | lecture} == wanted | lecture


@pytest.mark.slow
def test_plugins_of_an_installed_package_are_found(bench_process: Run, tmp_path: Path) -> None:
    package = tmp_path / "site"
    (package / "theirs-1.0.dist-info").mkdir(parents=True)
    (package / "theirs-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (package / "theirs-1.0.dist-info" / "entry_points.txt").write_text("[segbench.methods]\nmine = theirs:Threshold\n")
    shipped = (ROOT / "baselines" / "threshold.py").read_text()
    (package / "theirs.py").write_text(shipped.replace('name="threshold"', 'name="mine"'))
    names = bench_process("list", "methods", "--quiet", PYTHONPATH=str(package)).stdout.split()
    assert {"mine", "threshold"} <= set(names)
