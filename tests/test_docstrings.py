"""Examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

from places import ROOT

FOLDERS = {"benchmark": (), "datasets": ("datasets",), "baselines": ("baselines",)}


def _modules_with_examples() -> dict[str, int]:
    """Import names of all files whose text holds examples, and how many: no other file has to be imported."""
    found = {}
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            if examples := len(re.findall(r"^ *>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)):
                parts = ("segbench", *package, *path.relative_to(ROOT / folder).with_suffix("").parts)
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = examples
    return found


EXAMPLES = _modules_with_examples()


def test_examples_are_found() -> None:
    assert {"segbench.text", "segbench.evaluation.evaluator"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_of_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    found = sum(len(test.examples) for test in doctest.DocTestFinder().find(module))
    assert found == EXAMPLES[name], "an example stands outside of a docstring, where it is never run"
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0, "the difference is on stdout"
