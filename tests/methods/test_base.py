"""The base of all methods: what comes with it, what a wrong class or configuration is told, and what it imports."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from places import ROOT
from segbench.errors import UserError
from segbench.methods import (
    BaseMethod,
    ClassicalMethod,
    ClassicalSettings,
    LearnedMethod,
    Segmentation,
    TrainingConfig,
    WorkingImage,
)
from segbench.methods.base import with_settings
from segbench.registry import make_method, method_class, methods
from segbench.settings import describe_settings
from segbench.testing import check_method
from segbench.types import DatasetInfo, FitContext, Method, MethodInfo, Prediction, Samples, Uint8
from small_stack import samples, write_stack


class Plain(BaseMethod):
    info = MethodInfo("plain", "classical", "a test", "a test", {"soft": False})

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """There is nothing to learn."""

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        return [Prediction(labels=np.zeros(image.shape[:2], np.uint8)) for image in images]

    def save(self, folder: Path) -> None:
        """There is nothing to write."""

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:
        """There is nothing to read."""


def test_the_base_has_what_only_some_methods_need() -> None:
    method = Plain({})
    assert isinstance(method, Method)
    assert method.config == {"soft": False}
    assert method.settings.soft is False
    assert (dict(method.chosen), method.oracle, method.parameters(), method.macs((8, 8))) == ({}, False, 0, None)
    assert Plain.prefix == ""


def test_what_a_method_cannot_do_is_a_message() -> None:
    method = Plain({"soft": True})
    with pytest.raises(UserError, match="uses no ground truth"):
        method.predict_with_truth([np.zeros((8, 8), np.uint8)], [np.zeros((8, 8), np.uint8)])
    with pytest.raises(UserError, match="cannot predict with other settings"):
        method.predict_as({"soft": False})
    with pytest.raises(UserError, match="plain is no family"):
        Plain.named("rest")
    with pytest.raises(UserError, match="Did you mean 'soft'"):
        Plain({"sof": True})


@pytest.mark.parametrize("name", [name for name in methods() if ":" not in name])
def test_every_method_has_the_base_and_says_what_each_setting_means(name: str) -> None:
    method = make_method(name)
    assert isinstance(method, BaseMethod)
    assert isinstance(method.settings, method.info.settings)
    described = describe_settings(method.info.settings)
    assert [setting.name for setting in described] == list(method.config)
    assert [setting.name for setting in described if not setting.meaning.endswith(".")] == []


def test_a_learned_and_a_classical_method_may_still_give_defaults_alone() -> None:
    """As plugins wrote before there were models; a release later they will not."""
    old = MethodInfo("old", "classical", "a test", "a test", {**ClassicalSettings().model_dump(), "level": [0.2, 0.4]})
    with pytest.warns(DeprecationWarning, match="extends ClassicalSettings"):

        class Old(ClassicalMethod):
            info = old

            def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
                return Segmentation(image.channel("grey") > params["level"])

    assert Old.info.defaults == old.defaults
    assert Old({"level": 0.3}).space == {"level": [0.3]}
    assert Old({}).space == {"level": [0.2, 0.4]}
    with pytest.raises(UserError, match="max_images of method old is 0"):
        Old({"max_images": 0})
    net = MethodInfo("net", "learned", "a test", "a test", {"epochs": 3, "width": 0.5})
    with pytest.warns(DeprecationWarning, match="extends TrainingConfig"):
        made = with_settings(net, TrainingConfig)
    assert made.defaults == {**TrainingConfig().model_dump(), "epochs": 3, "width": 0.5}


@pytest.mark.slow
def test_the_bases_are_imported_when_asked_for_and_torch_is_not() -> None:
    code = "import sys, segbench.methods as m; {}; print(*sys.modules)"
    loaded: Mapping[str, Any] = {
        what: subprocess.run(
            [sys.executable, "-c", code.format(what)], capture_output=True, text=True, check=True
        ).stdout.split()
        for what in ("m.BaseMethod", "m.LearnedMethod", "m.ClassicalMethod, m.LearnedMethod, m.WorkingImage")
    }
    first, second, third = loaded.values()
    assert "segbench.methods.training.method" not in first
    assert "segbench.methods.classical.method" not in second
    assert not {"torch", "skimage", "sklearn"} & set(third)
    assert set(dir(__import__("segbench.methods", fromlist=["_"]))) >= {"LearnedMethod", "ClassicalMethod"}
    assert LearnedMethod.__module__ == "segbench.methods.training.method"
    with pytest.raises(ImportError):
        exec("from segbench.methods import Nothing")


def test_a_method_that_writes_nothing_of_its_own_cannot_be_made() -> None:
    half: Any = type("Half", (BaseMethod,), {"info": Plain.info, "fit": Plain.fit, "predict": Plain.predict})
    with pytest.raises(TypeError, match=r"abstract methods '?load'?(,| and) '?save'?"):
        half({})
    with pytest.raises(UserError, match="class Half lacks segment"):
        type("Half", (ClassicalMethod,), {"info": method_class("threshold").info})


def test_the_example_of_contributing_is_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, with the imports that it needs."""
    lines = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    first = lines.index("    class BlobSettings(ClassicalSettings):")
    last = next(n for n in range(first, len(lines)) if lines[n] and not lines[n].startswith("    "))
    imports = (
        "from pydantic import Field\n"
        "from segbench.methods import ClassicalMethod, ClassicalSettings, Segmentation\n"
        "from segbench.settings import Choices, Positive\n"
        "from segbench.types import MethodInfo\n\n"
    )
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "blobs.py").write_text(imports + textwrap.dedent("\n".join(lines[first:last])))
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path))
    for folder in ("isbi2012", "checked"):
        (tmp_path / folder).mkdir()
    dataset = write_stack(tmp_path / "isbi2012")
    check_method(
        lambda: make_method("blobs", {"max_images": 1}),
        samples(dataset, "train", 3),
        samples(dataset, "val", 0),
        tmp_path / "checked",
    )
    (setting,) = (each for each in describe_settings(method_class("blobs").info.settings) if each.name == "sigma")
    assert setting.meaning == "Standard deviation in pixels of the Gaussian that smooths the image."
