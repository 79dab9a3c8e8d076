"""Imports that worked before names moved still work, say so, and give the same objects."""

from __future__ import annotations

import importlib
import importlib.util
import operator
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from places import ROOT
from segbench._former_names import MODULES, NAMES

pytestmark = pytest.mark.filterwarnings("ignore:.*now; the former name:DeprecationWarning")


@pytest.mark.parametrize("old", sorted(MODULES))
def test_a_former_module_is_the_real_one(old: str) -> None:
    real = importlib.import_module(MODULES[old])
    spec = real.__spec__
    assert importlib.import_module(old) is real
    assert real.__name__ == MODULES[old]
    assert real.__spec__ is spec


@pytest.mark.parametrize("old", sorted(NAMES))
def test_a_former_name_is_the_real_one(old: str) -> None:
    home, _, name = NAMES[old].rpartition(".")
    before, _, former = old.rpartition(".")
    assert getattr(importlib.import_module(before), former) is getattr(importlib.import_module(home), name)


def test_the_table_hides_nothing() -> None:
    """No former name is one of a module that exists, so that the finder may be asked first."""
    for old in MODULES:
        path = ROOT / "benchmark" / Path(*old.split(".")[1:])
        assert not path.with_suffix(".py").exists(), old
        assert not (path / "__init__.py").exists(), old


def test_a_warning_names_both_and_the_line_that_asked(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text("import segbench.layout\nfrom segbench.data import origin_of\n", encoding="utf-8")
    sys.modules.pop("segbench.layout", None)
    spec = importlib.util.spec_from_file_location("plugin", plugin)
    assert spec is not None
    assert spec.loader is not None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert [(w.category, w.filename, w.lineno) for w in caught] == [
        (DeprecationWarning, str(plugin), 1),
        (DeprecationWarning, str(plugin), 2),
    ]
    assert "'segbench.layout' is 'segbench.data.listing' now" in str(caught[0].message)
    assert "'segbench.data.origin_of' is 'segbench.data.locations.origin_of' now" in str(caught[1].message)


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'segbench\.data' has no attribute 'never'"):
        operator.attrgetter("never")(importlib.import_module("segbench.data"))
    with pytest.raises(ImportError):
        importlib.import_module("segbench.never")


def test_the_folder_is_not_a_second_package() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"write 'segbench\.types', not 'segbench\.benchmark\.types'"):
        importlib.import_module("segbench.benchmark.types")
    for name in ("segbench.tests", "segbench.leaderboards"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)


def test_a_new_file_of_a_checkout_is_seen_without_installing_again(tmp_path: Path) -> None:
    """And its resources, and nothing else that lies beside them."""
    for folder in ("benchmark", "datasets", "configs/presets", "tests"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("__init__.py", "_former_names.py", "_version.py"):
        (tmp_path / "benchmark" / name).write_bytes((ROOT / "benchmark" / name).read_bytes())
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "segbench").symlink_to(tmp_path / "benchmark")
    code = (
        "import importlib, pathlib, sys; sys.path.insert(0, sys.argv[1] + '/link')\n"
        "import segbench, segbench.datasets\n"
        "pathlib.Path(sys.argv[1], 'datasets', 'new.py').write_text('ok = 1')\n"
        "pathlib.Path(sys.argv[1], 'tests', 'other.py').write_text('ok = 1')\n"
        "pathlib.Path(sys.argv[1], 'configs', 'presets', 'p.yaml').write_text('a: 1')\n"
        "importlib.invalidate_caches()\n"
        "import segbench.datasets.new, importlib.resources as resources\n"
        "assert resources.files('segbench.configs.presets').joinpath('p.yaml').read_text() == 'a: 1'\n"
        "assert importlib.util.find_spec('segbench.tests') is None\n"
        "print(segbench.datasets.new.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path / "datasets" / "new.py"
