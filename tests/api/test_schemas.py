"""`docs/schemas/` describes what segbench prints and stores: it is up to date, and real documents follow it."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

import segbench
from commands import Run
from places import ROOT
from segbench.api.schemas import DOCUMENTS, files, write
from segbench.registry import metrics
from segbench.synthetic import isbi2012
from synthetic_roots import write_hearts, write_stacks

SCHEMAS = ROOT / "docs" / "schemas"


def test_the_committed_schemas_are_up_to_date(tmp_path: Path) -> None:
    """Else: python -m segbench.api.schemas docs/schemas."""
    (tmp_path / "gone.schema.json").write_text("{}", encoding="utf-8")
    write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(files())
    assert {path.name: path.read_text(encoding="utf-8") for path in SCHEMAS.iterdir()} == files()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_they_are_schemas(name: str) -> None:
    content = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(content)
    one = content["items"] if content.get("type") == "array" else content
    model = content["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one
    assert len(model["properties"]) == len(DOCUMENTS[name].model.model_fields)
    assert content["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


LITTLE_SUITE = """\
datasets: [{name: medaka, root: hearts, settings: {view: lateral}}]
methods: [constant]
seeds: [0, 1]
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of two kinds, and of each two runs that kept their predictions."""
    folder = tmp_path_factory.mktemp("prepared")
    roots = {"isbi2012": write_stacks(folder / "isbi"), "medaka": write_hearts(folder / "hearts")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", segbench.SegbenchWarning)
        for dataset, root in roots.items():
            settings = {"view": "lateral"} if dataset == "medaka" else {}
            for method in ("constant", "mean-shape"):
                out = folder / "runs" / f"{dataset}-{method}"
                segbench.run(dataset, method, root=root, settings=settings, out=out, save_predictions=True, plots=False)
    (folder / "little.yaml").write_text(LITTLE_SUITE, encoding="utf-8")
    segbench.check(folder / "baseline", folder / "runs", update=True)
    return folder


@pytest.fixture
def place(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the prepared folder that a test may change."""
    return Path(shutil.copytree(prepared, tmp_path / "prepared"))


HEARTS = "-d medaka --root hearts --set view=lateral"
PRINTED = [
    ("record", f"run {HEARTS} -m constant --no-plots"),
    ("record", f"evaluate {HEARTS} -p runs/medaka-mean-shape/predictions --metric boundary --no-plots"),
    ("record", "evaluate -d isbi2012 --root isbi -p runs/isbi2012-constant/predictions"),
    ("compare", "compare runs/isbi2012-constant runs/isbi2012-mean-shape"),
    ("compare", "compare runs/medaka-constant runs/medaka-mean-shape --metric iou_foreground --target 0.5"),
    ("plan", "plan runs/isbi2012-constant runs/isbi2012-mean-shape --metric dice --seconds-per-label 25"),
    ("verification", "verify runs/isbi2012-constant --root isbi"),
    ("verification", "leaderboard --validate runs/medaka-constant"),
    ("verifications", "verify runs/isbi2012-constant runs/medaka-constant"),
    ("check", "check --baseline baseline --runs runs"),
    ("check", "check --baseline another --runs runs --update"),
    ("cardiac", "cardiac runs/medaka-mean-shape/predictions --truth hearts/test_images/lateral_mask --no-plots"),
    ("doctor", f"doctor {HEARTS.replace('--set view=lateral', '')} -p runs/medaka-constant/predictions"),
    ("explain", "explain runs/medaka-mean-shape"),
    ("export", "export runs/isbi2012-mean-shape --format isbi2012 --out isbi.tif"),
    ("leaderboard", "leaderboard runs"),
    ("table", "table runs --dataset isbi2012"),
    ("table", "table runs --dataset medaka --by-class"),
    ("report", "report runs --out report"),
    ("predict", "predict runs/medaka-mean-shape hearts/test_images/lateral_sample_gray --out masks"),
    ("data-status", "data status isbi2012 --root isbi"),
    ("data-describe", "data describe isbi2012 --root isbi"),
    ("data-verify", "data verify isbi2012 --root isbi"),
    ("data-synthesize", "data synthesize isbi2012 --root made"),
    ("describe", "describe unet"),
    *((f"list-{what}", f"list {what}") for what in ("datasets", "methods", "metrics", "presets", "suites")),
    ("suite-plan", "suite little.yaml --dry-run"),
]
OF_A_SUITE = [
    ("suite", "suite little.yaml"),
    ("suite-status", "suite little.yaml --status"),
    ("suite-status", "suite little.yaml --watch"),
    ("suite-table", "suite little.yaml --export little.csv"),
    ("suite-ended", "suite little.yaml --cancel"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "command"), PRINTED, ids=[command for _, command in PRINTED])
def test_what_is_printed_follows_its_schema(
    bench: Run, place: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: str
) -> None:
    monkeypatch.setattr("segbench.synthetic.isbi2012.SMALL", isbi2012.Plan(2))
    done = bench(*command.split(), "--json", cwd=place)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout, (done.returncode, done.stderr)
    assert_follows(name, done.stdout)


@pytest.mark.slow
def test_what_is_printed_of_a_suite_follows_its_schema(bench: Run, place: Path) -> None:
    for name, command in OF_A_SUITE:
        done = bench(*command.split(), "--json", cwd=place)
        assert done.returncode == 0, done.stderr
        assert_follows(name, done.stdout)


@pytest.mark.parametrize("path", sorted((ROOT / "leaderboards" / "records").glob("*/record.json"))[::7], ids=str)
def test_committed_records_follow_their_schema(path: Path) -> None:
    assert_follows("record", path.read_text(encoding="utf-8"))


def assert_follows(name: str, text: str) -> None:
    """A document is valid by the committed schema, and has no key that is not described."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    content = json.loads(text)
    errors = [
        f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in Draft202012Validator(schema).iter_errors(content)
    ]
    assert not errors, errors[:5]
    document = DOCUMENTS[name].adapter.validate_python(content)
    # A record has blocks of metric families, and what only some datasets have; so has a row of a board.
    parts = (
        set(metrics()) | {"dataset.definition", "dataset.image_shape"} if name in ("record", "leaderboard") else set()
    )
    assert {path.removeprefix("rows.") for path in undescribed(document)} <= parts


def undescribed(value: Any, where: str = "") -> Iterator[str]:
    """Paths of keys that no field of a document stands for."""
    if isinstance(value, BaseModel):
        if "__pydantic_extra__" not in vars(type(value)).get("__annotations__", {}):  # else any key has a meaning
            yield from (f"{where}{key}" for key in value.model_extra or ())
        for key in type(value).model_fields:
            yield from undescribed(getattr(value, key), f"{where}{key}.")
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from undescribed(each, f"{where}{key}.")
    elif isinstance(value, list | tuple):
        for each in value:
            yield from undescribed(each, where)


def test_a_key_that_is_not_described_is_found() -> None:
    record = segbench.load_run(sorted((ROOT / "leaderboards" / "records").glob("isbi2012-*"))[0]).record
    content = record.model_dump(mode="json")
    next(iter(content["scores"].values()))["extra"] = 1
    odd = type(record).model_validate(content)
    assert list(undescribed(record)) == []
    assert [path.rpartition(".")[2] for path in undescribed(odd)] == ["extra"]
