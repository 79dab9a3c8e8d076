"""`code_sha256` changes with what can change a result, and with nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from places import ROOT
from segbench.io.source_code import Import, source_code
from segbench.registry import dataset_class
from segbench.runs.code_hash import _LOOP, code_of, code_sha256

pytestmark = pytest.mark.slow

CODE = "{}\nadded = 1\n"
EVERY_LINE_MOVED = "# words\n\n{}\n# more words\n"

# What is asked for: (dataset, method, origin).
REAL, SYNTHETIC = ("isbi2012", "unet", "real"), ("isbi2012", "unet", "synthetic")
CLASSICAL, SCENES = ("isbi2012", "threshold", "real"), ("voc2012", "fcn", "real")

UNCHANGED = [
    # A comment or a docstring, wherever.
    (REAL, "metrics/overlap.py", EVERY_LINE_MOVED),
    (REAL, "methods/training/losses.py", EVERY_LINE_MOVED),
    (REAL, "datasets/isbi2012.py", EVERY_LINE_MOVED),
    (REAL, "methods/training/engine.py", "DOCSTRING{}"),
    (REAL, "baselines/unet.py", "DOCSTRING{}"),
    # How it is asked for, shown, drawn, compared and reported.
    *((REAL, file, CODE) for file in ("report/page.py", "report/overlays.py", "figures/style.py", "boards/board.py")),
    *((REAL, file, CODE) for file in ("diagnosis/labels.py", "cli/output.py", "commands/report.py", "testing.py")),
    *((REAL, file, CODE) for file in ("text.py", "errors.py", "io/reporter.py", "runs/record.py", "__init__.py")),
    # Other datasets, methods, metrics and generators.
    *((REAL, file, CODE) for file in ("datasets/voc2012.py", "baselines/fcn.py", "metrics/boundary.py")),
    *((REAL, file, CODE) for file in ("methods/classical/search.py", "metrics/coco.py", "cardiac/beats.py")),
    *((REAL, file, CODE) for file in ("synthetic/isbi2012/tissue.py", "synthetic/output_folder.py")),
    (SYNTHETIC, "synthetic/medaka/heart.py", CODE),
    (SYNTHETIC, "synthetic/isbi2012/tissue.py", EVERY_LINE_MOVED),
    (CLASSICAL, "methods/training/engine.py", CODE),
    (SCENES, "metrics/partition.py", CODE),
    (SCENES, "datasets/isbi2012.py", CODE),
]
CHANGED = [
    *(
        (REAL, file, CODE)
        for file in ("datasets/isbi2012.py", "baselines/unet.py", "metrics/partition.py", "types/samples.py")
    ),
    *((REAL, file, CODE) for file in ("metrics/overlap.py", "metrics/joint_counts.py", "metrics/exact_sums.py")),
    *((REAL, file, CODE) for file in ("io/images/read.py", "io/images/png.py", "data/splits.py", "data/listing.py")),
    *((REAL, file, CODE) for file in ("evaluation/evaluate.py", "evaluation/statistics.py", "evaluation/intervals.py")),
    *((REAL, file, CODE) for file in ("methods/training/losses.py", "methods/training/augmentation.py")),
    *((REAL, file, CODE) for file in ("runs/fit_and_predict.py", "data/decode_ahead.py")),
    *((REAL, file, CODE) for file in ("methods/training/engine.py", "methods/targets.py", "predictions/stored.py")),
    *((SYNTHETIC, file, CODE) for file in ("synthetic/isbi2012/tissue.py", "synthetic/output_folder.py")),
    *((CLASSICAL, file, CODE) for file in ("methods/classical/search.py", "baselines/threshold.py")),
    *((SCENES, file, CODE) for file in ("baselines/fcn.py", "methods/training/networks.py", "datasets/voc2012.py")),
    (("cityscapes", "unet", "real"), "metrics/instances.py", CODE),
]

SCRIPT = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from segbench.registry import dataset_class
from segbench.runs.code_hash import code_sha256

def hash_of(dataset, method, origin):
    return code_sha256(dataset_class(dataset).info, method, origin)

found = []
for asked, file, change in json.loads(sys.stdin.read()):
    path = Path(sys.argv[1]) / "segbench" / file
    text = path.read_text(encoding="utf-8")
    before = hash_of(*asked)
    inserted = text.replace('\"\"\"', '\"\"\"Other words. ', 1) if change.startswith("DOCSTRING") else None
    path.write_text(inserted or change.replace("{}", text), encoding="utf-8")
    after = hash_of(*asked)
    path.write_text(text, encoding="utf-8")
    found.append((before, after, hash_of(*asked)))
assert "torch" not in sys.modules
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def hashes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Before, during and after each change in a copy of the package."""
    copy = tmp_path_factory.mktemp("copy")
    for folder, inside in (("benchmark", "."), ("datasets", "datasets"), ("baselines", "baselines")):
        for path in (ROOT / folder).rglob("*.py"):
            target = copy / "segbench" / inside / path.relative_to(ROOT / folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    changes = [*UNCHANGED, *CHANGED]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(copy)],
        input=json.dumps(changes),
        capture_output=True,
        text=True,
        check=False,
        cwd=copy,
    )
    assert done.returncode == 0, done.stderr
    return {json.dumps(change): found for change, found in zip(changes, json.loads(done.stdout), strict=True)}


Change = tuple[tuple[str, str, str], str, str]


@pytest.mark.parametrize("change", UNCHANGED, ids=lambda change: f"{change[0][0]}-{change[1]}")
def test_what_cannot_change_a_result_does_not_count(change: Change, hashes: dict[str, list[str]]) -> None:
    assert len(set(hashes[json.dumps(change)])) == 1


@pytest.mark.parametrize("change", CHANGED, ids=lambda change: f"{change[0][0]}-{change[1]}")
def test_what_can_change_a_result_counts(change: Change, hashes: dict[str, list[str]]) -> None:
    before, during, after = hashes[json.dumps(change)]
    assert before == after != during


def test_dataset_method_and_origin_each_have_their_code() -> None:
    asked = {REAL, SYNTHETIC, CLASSICAL, SCENES, ("isbi2012", "fcn", "real"), ("voc2012", "unet", "real")}
    hashes = {code_sha256(dataset_class(d).info, m, "real" if o == "real" else "synthetic") for d, m, o in asked}
    assert len(hashes) == len(asked)
    reached = code_of(dataset_class("isbi2012").info, "unet", "real")
    assert set(_LOOP) <= set(reached)
    assert all(path.is_file() for path in reached.values())


PLUGIN = """
from dataclasses import replace
from segbench.baselines.threshold import Threshold

class Mine(Threshold):
    info = replace(Threshold.info, name="mine")
    added = 1{more}
"""


def test_a_plugin_counts_with_the_method_that_it_builds_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "baselines").mkdir()
    own = tmp_path / "baselines" / "mine.py"
    own.write_text(PLUGIN.format(more=""))
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path))
    info = dataset_class("isbi2012").info
    try:
        mine, threshold = code_sha256(info, "mine", "real"), code_sha256(info, "threshold", "real")
        assert {own, ROOT / "baselines" / "threshold.py"} <= set(code_of(info, "mine", "real").values())
        own.write_text(PLUGIN.format(more="  # a comment"))
        assert code_sha256(info, "mine", "real") == mine
        own.write_text(PLUGIN.format(more="\n    more = 2"))
        assert code_sha256(info, "mine", "real") != mine
        assert code_sha256(info, "threshold", "real") == threshold
    finally:
        sys.modules.pop("segbench_user_baselines_mine", None)


def test_an_installed_plugin_counts_with_all_files_that_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "installed_plugin"
    (package / "nets").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "nets" / "__init__.py").write_text("from .shape import WIDTH\n")
    (package / "nets" / "shape.py").write_text("WIDTH = 3\n")
    (package / "unused.py").write_text("")
    text = PLUGIN.format(more="").replace("import Threshold", "import Threshold\nfrom .nets import WIDTH")
    (package / "method.py").write_text(text.replace('"mine"', '"installed"'))
    about = tmp_path / "installed_plugin-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-plugin\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[segbench.methods]\ninstalled = installed_plugin.method:Mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    info = dataset_class("isbi2012").info
    try:
        before = code_sha256(info, "installed", "real")
        own = {path for path in code_of(info, "installed", "real").values() if path.is_relative_to(package)}
        assert own == {path for path in package.rglob("*.py") if path.name != "unused.py"}
        (package / "nets" / "shape.py").write_text("WIDTH = 4\n")
        assert code_sha256(info, "installed", "real") != before
    finally:
        for name in [name for name in sys.modules if name.startswith("installed_plugin")]:
            del sys.modules[name]


def test_source_code_is_what_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "module.py"

    def hash_of(text: str) -> str:
        path.write_text(dedent(text))
        return source_code(path, "package.module").sha256

    plain = hash_of("LIMIT = 1\ndef f(a, b=2):\n    return a + b\n")
    same = [
        'LIMIT = 1\n"""What it limits."""\ndef f(a, b=2):\n    """A sum."""\n    return a + b\n',
        '"""A module."""\n\nLIMIT = (1)\n\n\ndef f(\n    a,  # the first\n    b=2,\n):\n    return (a + b)\n',
    ]
    assert {hash_of(text) for text in same} == {plain}
    other = [
        "LIMIT = 1.0\ndef f(a, b=2):\n    return a + b\n",
        "LIMIT = True\ndef f(a, b=2):\n    return a + b\n",
        "LIMIT = '1'\ndef f(a, b=2):\n    return a + b\n",
        "LIMIT = 1\ndef f(a, b=2):\n    return a - b\n",
        "LIMIT = 1\ndef f(a, *, b=2):\n    return a + b\n",
        "LIMIT = 1\ndef f(a, b=2):\n    'A sum.'\n    return 'A sum.'\n",
        "LIMIT = 1\nasync def f(a, b=2):\n    return a + b\n",
    ]
    assert len({plain, *map(hash_of, other)}) == 1 + len(other)


def test_imports_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        dedent("""
            from typing import TYPE_CHECKING
            import a.b, c
            from . import near
            from ..up.side import name as other
            if TYPE_CHECKING:
                from .types import Hint
            else:
                from .real import thing
            def f():
                if True:
                    from .lazy import *
        """)
    )
    expected = [
        *(("typing", "TYPE_CHECKING", False), ("a.b", None, False), ("c", None, False), ("top.package", "near", False)),
        *(("top.up.side", "name", False), ("top.package.types", "Hint", True), ("top.package.real", "thing", False)),
        ("top.package.lazy", "*", False),
    ]
    assert source_code(path, "top.package.module").imports == tuple(Import(*one) for one in expected)
    init = tmp_path / "__init__.py"
    init.write_text("from .part import one\n")
    assert source_code(init, "top.package").imports == (Import("top.package.part", "one", False),)
