"""Plugins are found, and one that cannot be used is named with its error and stops no other."""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from commands import Run, printed_json
from segbench import registry
from segbench.errors import PluginWarning, UserError
from segbench.registry import dataset_class, datasets, generator, methods, metrics, origins
from segbench.runs.presets import load_preset, preset_names

SOUND_DATASET = """
from segbench.datasets.voc2012 import VOC2012
from dataclasses import dataclass, replace
@dataclass(frozen=True)
class Mine(VOC2012):
    info = replace(VOC2012.info, name="mine", aliases=("my-own",))
"""
HOLLOW_DATASET = """
from dataclasses import replace
from segbench.datasets.voc2012 import VOC2012
class Hollow:
    info = replace(VOC2012.info, name="hollow", aliases=())
    def ids(self, split): ...
"""
SOUND_METHOD = """
from dataclasses import replace
from segbench.baselines.constant import Constant
class Mine(Constant):
    info = replace(Constant.info, name="my-method")
"""
SOUND_METRIC = """
from segbench.metrics import MetricFamily
from segbench.types import ScoreInfo, Statistic
import numpy as np
class Agreement(MetricFamily):
    name, version, summary, parts = "agreement", "1", "Share of equal pixels", ("labels",)
    scores = (ScoreInfo("agreement", "share of equal pixels"),)
    columns = {"equal": "int64", "pixels": "int64"}
    def measure(self, sample, prediction, info):
        equal = int((sample.labels == prediction.labels).sum())
        columns = {"equal": np.array([equal]), "pixels": np.array([sample.labels.size])}
        return Statistic(self.name, sample.id, sample.group, sample.index, columns)
    def compute(self, statistics, info):
        sums = [sum(int(s.columns[name].sum()) for s in statistics) for name in ("equal", "pixels")]
        return {"agreement": sums[0] / sums[1]}
"""
PRESET = "summary: a preset of mine\nmethods:\n  canny:\n    all: {}\n"


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of plugins, sound ones and one of every way to be broken."""
    files = {
        "datasets/mine.py": SOUND_DATASET,
        "datasets/torn.py": "import nothing_of_this_name\n",
        "datasets/hollow.py": HOLLOW_DATASET,
        "datasets/empty.py": "NUMBER = 1\n",
        "datasets/_helper.py": "NUMBER = 1\n",
        "baselines/mine.py": SOUND_METHOD,
        "baselines/quits.py": "raise SystemExit(3)\n",
        "metrics/agreement.py": SOUND_METRIC,
        "metrics/half.py": SOUND_METRIC.replace("def compute", "def computed")
        .replace("(MetricFamily)", "")
        .replace('"agreement", "1"', '"half", "1"'),
        "presets/slow.yaml": PRESET,
        "presets/list.yaml": "- 1\n",
        "presets/quick.yaml": PRESET,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path))
    for name in [name for name in sys.modules if name.startswith(registry.USER_MODULE)]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


@pytest.mark.filterwarnings("ignore::segbench.errors.PluginWarning")
def test_sound_plugins_stand_beside_broken_ones(plugins: Path) -> None:
    assert "mine" in datasets()
    assert {"my-method", "canny"} <= set(methods())
    assert {"agreement", "overlap"} <= set(metrics())
    assert preset_names()[0] == "quick"
    assert "slow" in preset_names()
    assert load_preset("slow")["summary"] == "a preset of mine"
    assert origins("dataset")["mine"] == str(plugins / "datasets" / "mine.py")
    assert origins("metric")["overlap"] == "segbench"
    assert dataset_class("MY-OWN").info.name == "mine"


def test_what_is_left_out_is_told_with_file_error_and_remedy(plugins: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        datasets(), methods(), metrics(), preset_names()
    told = [str(one.message) for one in caught if one.category is PluginWarning]
    for file, words in {
        "datasets/torn.py": "ModuleNotFoundError: No module named 'nothing_of_this_name'). Correct the file",
        "datasets/hollow.py": "class Hollow lacks group, load, files, match_prediction, decode_prediction, check",
        "datasets/empty.py": "defines no dataset. Derive it from segbench.data.FileDataset",
        "baselines/quits.py": "SystemExit: 3",
        "metrics/half.py": "lacks releases_gil, tasks, takes_void, hooks, row_lists, compute, resample, per_class",
        "presets/list.yaml": "is no preset. Expected 'summary'",
        "presets/quick.yaml": "segbench has a preset of this name. Rename the file.",
    }.items():
        assert any(str(plugins / file) in one and words in one for one in told), (file, told)
    assert len(told) == 7


@pytest.mark.parametrize(
    ("name", "reason"),
    [("torn", "nothing_of_this_name"), ("hollow", "Hollow lacks"), ("empty", "defines no dataset")],
)
def test_asking_for_a_broken_plugin_says_why(plugins: Path, name: str, reason: str) -> None:
    del plugins
    with pytest.warns(PluginWarning), pytest.raises(UserError, match=reason):
        dataset_class(name)


@pytest.mark.filterwarnings("ignore:plugin left out:segbench.errors.PluginWarning")
def test_two_plugins_of_one_name_are_told_apart_by_nobody(plugins: Path) -> None:
    (plugins / "datasets" / "twin.py").write_text(SOUND_DATASET, encoding="utf-8")
    with pytest.warns(PluginWarning, match="two datasets are called 'mine'"):
        assert "voc2012" in datasets()
    with pytest.warns(PluginWarning), pytest.raises(UserError, match=r"mine\.py and .*twin\.py\. Rename one\."):
        dataset_class("mine")


def test_an_entry_point_that_cannot_be_loaded_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("afar", "no_such_package.datasets:Afar", "segbench.datasets")
    monkeypatch.setattr(registry, "entry_points", lambda group: [broken] if group == broken.group else [])
    with pytest.warns(PluginWarning, match=r"plugin 'afar' \(no_such_package\.datasets:Afar\) cannot be loaded"):
        assert "voc2012" in datasets()
    with pytest.warns(PluginWarning), pytest.raises(UserError, match="no_such_package"):
        dataset_class("afar")


def test_a_broken_file_is_run_again_only_when_it_changed(plugins: Path) -> None:
    log = plugins / "log.txt"
    torn = plugins / "datasets" / "torn.py"
    torn.write_text(f"open({str(log)!r}, 'a').write('x')\nimport nothing_of_this_name\n", encoding="utf-8")
    with pytest.warns(PluginWarning):
        datasets(), datasets()
    assert log.read_text() == "x"
    torn.write_text(SOUND_DATASET.replace("mine", "healed").replace("my-own", "well"), encoding="utf-8")
    with pytest.warns(PluginWarning):
        assert "healed" in datasets()


def test_a_generator_of_a_plugin_dataset(plugins: Path) -> None:
    assert generator("mine") is None
    path = plugins / "synthetic" / "mine.py"
    path.parent.mkdir()
    path.write_text("SMALL = FULL = None\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.py: lacks GENERATOR_VERSION, synthesize"):
        generator("mine")


def test_the_command_line_goes_on_and_tells_each_once(bench: Run, plugins: Path) -> None:
    done = bench("list", "datasets", "--json", SEGBENCH_PLUGINS=str(plugins))
    assert done.returncode == 0, done.stderr
    origin = {entry["name"]: entry["origin"] for entry in printed_json(done)}
    assert origin["mine"] == str(plugins / "datasets" / "mine.py")
    assert origin["voc2012"] == "segbench"
    for name in ("torn", "hollow", "empty"):
        assert done.stderr.count(str(plugins / "datasets" / f"{name}.py")) == 1
    assert "Traceback" not in done.stderr
    asked = bench("data", "describe", "torn", SEGBENCH_PLUGINS=str(plugins))
    assert asked.returncode == 2
    assert asked.stderr.splitlines()[-1].startswith(f"bench: {plugins / 'datasets' / 'torn.py'}: cannot be imported")


@pytest.mark.filterwarnings("ignore:plugin left out:segbench.errors.PluginWarning")
def test_a_dataset_written_before_there_was_a_base_still_works(plugins: Path) -> None:
    members = ("group", "load", "files", "match_prediction", "decode_prediction", "check_counts")
    text = HOLLOW_DATASET.replace("hollow", "earlier").replace("Hollow", "Earlier").replace("...", "return ('a', 'b')")
    text += "    def check(self, progress=None): return ['a fault']\n"
    text += "".join(f"    {name} = VOC2012.{name}\n" for name in members)
    (plugins / "datasets" / "earlier.py").write_text(text, encoding="utf-8")
    with pytest.warns(DeprecationWarning, match="class Earlier lacks rule_parts, self_defined, definition"):
        cls = datasets()["earlier"]
    assert (cls().check_pairs(), cls().readable(), cls().check_sample(None)) == (["a fault"], ("a", "b"), [])
