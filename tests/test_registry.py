"""Plugins are found, and one that cannot be used is named with its error and stops no other."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import Run, printed_json
from segbench import registry
from segbench.commands.describe import describe
from segbench.errors import PluginWarning, UserError
from segbench.evaluation.evaluate import evaluate
from segbench.evaluation.scoring import score
from segbench.methods.classical.working_image import WorkingImage
from segbench.registry import (
    dataset_class,
    datasets,
    generator,
    make_dataset,
    make_method,
    methods,
    metrics,
    metrics_of,
    origins,
)
from segbench.runs.open_data import without_defaults
from segbench.runs.presets import load_preset, preset_names
from segbench.types import Prediction, Sample

SOUND_DATASET = """
from segbench.datasets.voc2012 import VOC2012
from dataclasses import dataclass, replace
@dataclass(frozen=True)
class Mine(VOC2012):
    info = replace(VOC2012.info, name="mine", aliases=("my-own",))
"""
WITHOUT_SETTINGS = "from segbench.settings import Settings\n"
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
        "metrics/half.py": "lacks class_scores, releases_gil, tasks, takes_void, takes_probabilities, hooks,",
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
    with pytest.warns(PluginWarning), pytest.raises(UserError, match=r"Rename one\."):
        dataset_class("Mine")


def test_a_broken_plugin_is_asked_for_by_the_name_of_its_file(plugins: Path) -> None:
    (plugins / "datasets" / "Torn_Too.py").write_text("import nothing_of_this_name", encoding="utf-8")
    for name in ("Torn_Too", "torn-too"):
        with pytest.warns(PluginWarning), pytest.raises(UserError, match=r"Torn_Too\.py.*nothing_of_this_name"):
            dataset_class(name)


def test_an_entry_point_that_cannot_be_loaded_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("afar", "no_such_package.datasets:Afar", "segbench.datasets")
    monkeypatch.setattr(registry.sources, "entry_points", lambda group: [broken] if group == broken.group else [])
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


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["folder", "painting", "output_folder", "medaka_heart"])
def test_what_else_is_in_the_package_of_generators_is_none(name: str) -> None:
    assert generator(name) is None


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


@pytest.mark.filterwarnings("ignore:plugin left out:segbench.errors.PluginWarning")
def test_options_of_a_dataset_written_before_they_were_a_model(plugins: Path, tmp_path: Path) -> None:
    text = SOUND_DATASET.replace("mine", "optional").replace("my-own", "choosy").rstrip()
    text = text.replace('aliases=("choosy",)', 'aliases=(), settings=Settings, options={"view": "which"}')
    text = WITHOUT_SETTINGS + text
    path = plugins / "datasets" / "optional.py"
    path.write_text(f"{text}\n    view: str = 'both'\n", encoding="utf-8")
    with pytest.warns(DeprecationWarning, match=r"dataset optional: give DatasetInfo\(settings="):
        cls = datasets()["optional"]
    (tmp_path / "SegmentationClass").mkdir()
    assert make_dataset("optional", tmp_path, {"view": "left"}).view == "left"  # type: ignore[attr-defined]
    assert without_defaults("optional", {"view": "left"}) == {"view": "left"}
    assert without_defaults("optional", {"view": "both"}) == {}
    assert [each.name for each in describe("optional").settings] == ["view"]
    assert cls.info.options == {"view": "which"}


DATASET = """
from segbench.data import FileDataset
from segbench.types import ClassInfo, DatasetInfo, SplitInfo
class Spots(FileDataset):
    info = DatasetInfo(
        name="spots", version="1", summary="spots", task="binary",
        classes=(ClassInfo(0, "background", (0, 0, 0), "background"), ClassInfo(1, "spot", (220, 30, 40), "thing")),
        splits={"train": SplitInfo(None, "train.txt"), "test": SplitInfo(None, "test.txt")},
        default_split="test", metrics=("binary-overlap",), main_score="dice",
        licence="free", citation="nobody", homepage="https://example.org", layout="rgb/, gt/",
    )
    paths = {"image": "rgb/{id}.png", "labels": "gt/{id}.png"}
    split_lists = "{split}.txt"
"""
CLASSICAL = """
from segbench.methods import ClassicalMethod, ClassicalSettings, Segmentation
from segbench.settings import Count
from segbench.types import MethodInfo
class BrightSettings(ClassicalSettings):
    width: Count = 3
    \"\"\"Pixels.\"\"\"
class Bright(ClassicalMethod):
    info = MethodInfo("bright", "classical", "bright", "nobody", settings=BrightSettings)
    def segment(self, image, params):
        return Segmentation(image.channel("grey"))
"""
LEARNED = """
from segbench.methods import LearnedMethod, TrainingConfig
from segbench.types import MethodInfo
class Tiny(LearnedMethod):
    info = MethodInfo("tiny", "learned", "tiny", "nobody", settings=TrainingConfig)
    def stride(self, settings):
        return 1
    def build(self, settings, channels, outputs, *, pretrained):
        return None
"""
TEXTS = {
    "dataset": ("datasets/spots.py", DATASET, "spots"),
    "classical": ("baselines/bright.py", CLASSICAL, "bright"),
    "learned": ("baselines/tiny.py", LEARNED, "tiny"),
    "metric": ("metrics/agreement.py", SOUND_METRIC, "agreement"),
}


def break_plugin(folder: Path, what: str, old: str, new: str) -> str:
    """Write one of the plugins with a mistake in it; returns its name."""
    file, text, name = TEXTS[what]
    assert old in text
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    return name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path))
    for name in [name for name in sys.modules if name.startswith(registry.USER_MODULE)]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


@pytest.mark.parametrize("what", list(TEXTS))
def test_the_plugins_that_are_broken_below_are_sound(folder: Path, what: str) -> None:
    name = break_plugin(folder, what, "class", "class")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert describe(name).name == name


@pytest.mark.parametrize(
    ("what", "old", "new", "told"),
    [
        ("dataset", 'metrics=("binary-overlap",)', 'metrics="binary-overlap"', "info.metrics = 'binary-overlap'; exp"),
        ("dataset", 'SplitInfo(None, "test.txt")', "4", "info.splits['test'] = 4; expected SplitInfo"),
        ("dataset", 'task="binary"', 'task="binry"', "info.task = 'binry'; expected 'binary' or 'multiclass'"),
        ("dataset", 'default_split="test"', 'default_split="val"', "has the default split 'val', which is none of"),
        ("dataset", 'ClassInfo(1, "spot"', 'ClassInfo(2, "spot"', "has the foreground 1, which is none of"),
        ("dataset", 'ClassInfo(1, "spot"', 'ClassInfo(0, "spot"', "has two classes of one label value: 0, 0"),
        ("dataset", '"{split}.txt"', '["{split}.txt"]', "has split_lists = ['{split}.txt']; expected text"),
        ("dataset", '"{split}.txt"', '"{splt}.txt"', "expected no other placeholders than {split}"),
        ("dataset", "gt/{id}", "gt/{name}", "expected no other placeholders than {id} and {split}"),
        ("dataset", '"labels":', '"mask":', "a key of paths = 'mask'; expected 'image' or 'labels'"),
        ("dataset", "    info =", "    about =", "Its class has an attribute info = DatasetInfo(…)"),
        ("classical", "def segment", "def segmnt", "class Bright lacks segment"),
        ("classical", '"classical"', '"clasical"', "info.family = 'clasical'; expected 'classical' or 'learned'"),
        ("classical", "settings=BrightSettings", "settings={}", "expected a class that derives from segbench.settings"),
        ("classical", "Count = 3", "Count = -3", "Setting width of method bright is -3: expected a whole number"),
        ("learned", "def build", "def bild", "class Tiny lacks build. Correct the file."),
        (
            "learned",
            "def stride(self, settings):\n        return 1",
            "stride = 1",
            "has stride = 1; expected a function",
        ),
        ("metric", "def measure", "def mesure", "class Agreement lacks measure. Correct the file."),
        ("metric", "scores = (", "scored = (", "class Agreement lacks scores of Metric"),
        ("metric", "scores = (", "scores = [*(", "SyntaxError"),
        ("metric", '"1", "Share', '1, "Share', "has version = 1; expected text"),
        ("metric", '("labels",)', '"labels"', "has parts = 'labels'; expected a tuple of 'image'"),
        ("metric", '"equal": "int64"', '"equal": "int8"', "columns['equal'] = 'int8'; expected 'int64' or 'float64'"),
    ],
)
def test_a_wrong_declaration_is_told_before_anything_runs(
    folder: Path, what: str, old: str, new: str, told: str
) -> None:
    name = break_plugin(folder, what, old, new)
    with pytest.warns(PluginWarning), pytest.raises(UserError) as caught:
        describe(name)
    assert told in str(caught.value)
    assert str(folder / TEXTS[what][0]) in str(caught.value)


def test_a_dataset_that_cannot_be_built_with_its_settings_is_told(folder: Path) -> None:
    setting = 'settings=settings_of("Own", {"view": 1}), default_split='
    break_plugin(folder, "dataset", "default_split=", setting)
    path = folder / "datasets" / "spots.py"
    head = "from dataclasses import dataclass\nfrom segbench.settings import settings_of\n"
    path.write_text(head + path.read_text().replace("class Spots", "@dataclass(frozen=True)\nclass Spots"))
    with pytest.warns(PluginWarning), pytest.raises(UserError, match="is not built with its settings view; leave out"):
        describe("spots")


def test_a_main_score_that_no_metric_gives_is_refused(folder: Path) -> None:
    break_plugin(folder, "dataset", 'main_score="dice"', 'main_score="dise"')
    with pytest.raises(UserError, match=r"dataset spots: Unknown main score 'dise'\. Did you mean 'dice'"):
        metrics_of(dataset_class("spots").info)


def test_a_dataset_takes_its_root_as_text_and_says_what_it_lacks(folder: Path) -> None:
    break_plugin(folder, "dataset", '"labels": "gt/{id}.png"', "")
    with pytest.raises(UserError, match=r"class Spots of spots names no label maps\. Add them to its paths"):
        dataset_class("spots")(str(folder))


def test_a_method_that_returns_something_else_is_told_so(folder: Path) -> None:
    break_plugin(folder, "classical", 'Segmentation(image.channel("grey"))', 'image.channel("grey")')
    break_plugin(folder, "learned", "class", "class")
    image = WorkingImage(np.arange(192, dtype=np.uint8).reshape(12, 16))
    bright: Any = make_method("bright")
    with pytest.raises(UserError, match=r"bright: segment returned ndarray; expected segbench\.methods"):
        bright.segmented(image, {})
    tiny: Any = make_method("tiny")
    with pytest.raises(UserError, match="tiny: build returned NoneType; expected a torch module"):
        tiny._build(dataset_class("medaka").info, pretrained=False)


def test_a_metric_is_held_to_what_it_declares(folder: Path) -> None:
    sample = Sample("a", "a", 0, labels=np.ones((2, 3), np.uint8))
    pairs = [("a", Prediction(labels=np.ones((2, 3), np.uint8)))]
    break_plugin(folder, "metric", '"equal": np.array', '"equl": np.array')

    class One:
        info = dataset_class("medaka").info

        def load(self, sample_id: str, parts: Sequence[str]) -> Sample:
            assert (sample_id, tuple(parts)) == ("a", ("labels",))
            return sample

    one: Any = One()
    with pytest.raises(UserError, match=r"measure returned the columns \{'equl': 'int64', 'pixels': 'int64'\}"):
        evaluate(one, [metrics()["agreement"]], pairs)
    (folder / "metrics" / "other.py").write_text(
        SOUND_METRIC.replace('{"agreement":', '{"agree":').replace('"agreement", "1"', '"other", "1"'), encoding="utf-8"
    )
    other = metrics()["other"]
    with pytest.raises(UserError, match="metric 'other': compute returned agree; it declares agreement"):
        score(evaluate(one, [other], pairs), [other], one.info)
