"""JSON schemas of everything that segbench stores and that `--json` prints, written from the models that make it.

`python -m segbench.api.schemas docs/schemas` writes them; a test fails where they are out of date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from ..boards.check_result import CheckResult
from ..boards.comparison_document import Comparison
from ..boards.panel_document import PanelFigure
from ..boards.paper_document import PaperTable
from ..boards.plan_document import SizePlan
from ..boards.ranking import RankedGroup
from ..boards.slice_document import Sliced, SlicedByAll
from ..boards.suite_document import SuiteResults
from ..commands.describe import Description
from ..commands.explain import Explanation
from ..commands.export import Exported
from ..commands.new import NewPlugin
from ..commands.publish import Publication
from ..data.documents import DataDescription, DataStatus, DataVerification, SynthesizedData
from ..data.importing.documents import ImportedData
from ..diagnosis.document import Diagnosis
from ..io.atomic import write_text
from ..io.documents import Document
from ..report.build import ReportSummary
from ..runs.cardiac.document import CardiacDocument
from ..runs.listed import ListedDataset, ListedMethod, ListedMetric, ListedPreset, ListedSuite
from ..runs.predict_folder import PredictDocument
from ..runs.record import Record
from ..runs.results_index import ResultsIndex
from ..runs.stored_checks import Verification, Verifications
from ..runs.suite.export import SuiteTable
from ..runs.suite.planned import SuitePlan
from ..runs.suite.status import EndedSuite, SuiteStatus


@dataclass(frozen=True)
class Described:
    """A document: its model, and what writes or prints it."""

    model: type[Document]
    made_by: str
    many: bool = False

    @property
    def adapter(self) -> TypeAdapter[Any]:
        """What reads and describes it: one document of its model, or a list of them."""
        return TypeAdapter(list[self.model] if self.many else self.model)  # type: ignore[name-defined]


DOCUMENTS: Mapping[str, Described] = {
    "cardiac": Described(CardiacDocument, "`bench cardiac --json`, `cardiac.json` beside its tables"),
    "check": Described(CheckResult, "`bench check --json`"),
    "compare": Described(Comparison, "`bench compare --json`"),
    "data-describe": Described(DataDescription, "`bench data describe --json`"),
    "data-import": Described(ImportedData, "`bench data import --json`, `import.json` of the folder"),
    "data-status": Described(DataStatus, "`bench data status --json`"),
    "data-synthesize": Described(SynthesizedData, "`bench data synthesize --json`"),
    "data-verify": Described(DataVerification, "`bench data verify --json`"),
    "describe": Described(Description, "`bench describe --json`"),
    "doctor": Described(Diagnosis, "`bench doctor --json`"),
    "explain": Described(Explanation, "`bench explain --json`"),
    "export": Described(Exported, "`bench export --json`"),
    "leaderboard": Described(RankedGroup, "`bench leaderboard --json`", many=True),
    "list-datasets": Described(ListedDataset, "`bench list datasets --json`", many=True),
    "list-methods": Described(ListedMethod, "`bench list methods --json`", many=True),
    "list-metrics": Described(ListedMetric, "`bench list metrics --json`", many=True),
    "list-presets": Described(ListedPreset, "`bench list presets --json`", many=True),
    "list-suites": Described(ListedSuite, "`bench list suites --json`", many=True),
    "new": Described(NewPlugin, "`bench new KIND NAME --json`"),
    "panels": Described(PanelFigure, "`bench panels --json`"),
    "plan": Described(SizePlan, "`bench plan --json`"),
    "predict": Described(PredictDocument, "`bench predict --json`, `predict.json`"),
    "publish": Described(Publication, "`bench publish --json`"),
    "record": Described(Record, "`bench run --json`, `bench evaluate --json`, `record.json` of a run folder"),
    "report": Described(ReportSummary, "`bench report --json`"),
    "results-index": Described(ResultsIndex, "`index.json` of `bench publish --index`"),
    "slice": Described(Sliced, "`bench slice --by … --json`"),
    "slice-by-all": Described(SlicedByAll, "`bench slice --json` without --by"),
    "suite": Described(SuiteResults, "`bench suite --json`, `results.json` of a suite's folder"),
    "suite-plan": Described(SuitePlan, "`bench suite --dry-run --json`"),
    "suite-status": Described(SuiteStatus, "`bench suite --status --json`, and `--watch --json` at the end"),
    "suite-table": Described(SuiteTable, "`bench suite --export FILE --json`"),
    "suite-ended": Described(EndedSuite, "`bench suite --cancel --json`"),
    "table": Described(PaperTable, "`bench table --json`"),
    "verification": Described(Verification, "`bench verify RUN --json`, `bench leaderboard --validate RUN --json`"),
    "verifications": Described(Verifications, "`bench verify RUN RUN … --json`"),
}
"""Every document by the name of its schema."""


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        """No titles that only say the key again."""
        del schema
        return False

    def ser_schema(self, schema: Any) -> JsonSchemaValue | None:
        """A serializer around a model only orders its keys, or leaves out what is None: the model's schema holds."""
        return None if schema["type"] == "function-wrap" else super().ser_schema(schema)


def schema(document: Described) -> dict[str, Any]:
    """The JSON schema of what a document's model reads, which is what it writes."""
    # A model that leaves keys out when it is written has no fields in the schema of what it writes.
    written = document.adapter.json_schema(mode="validation", by_alias=True, schema_generator=_Generator)
    return {"$schema": _Generator.schema_dialect, **written}


def files() -> dict[str, str]:
    """The content of every file of the folder of schemas, by its name."""
    made = {f"{name}.schema.json": _text(schema(document)) for name, document in sorted(DOCUMENTS.items())}
    lines = ["# JSON schemas", "", "Made by `python -m segbench.api.schemas docs/schemas`; do not edit.", ""]
    lines += ["| schema | of |", "|---|---|"]
    lines += [f"| [{name}]({name}.schema.json) | {each.made_by} |" for name, each in sorted(DOCUMENTS.items())]
    lines += [
        "",
        "Keys and their meaning stay; a later version may add keys, so a reader ignores what it does not know. A",
        "number that is undefined is `null`. A record says in `schema_version` which schema it follows; older ones are",
        "brought to today's when they are read, and never rewritten.",
    ]
    return {**made, "README.md": "\n".join(lines) + "\n"}


def write(folder: Path) -> None:
    """Write every schema, and remove those of documents that are no more."""
    written = files()
    for name, text in written.items():
        write_text(folder / name, text)
    for path in folder.glob("*.schema.json"):
        if path.name not in written:
            path.unlink()


def _text(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m segbench.api.schemas FOLDER")
    write(Path(sys.argv[1]))
