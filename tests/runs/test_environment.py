"""What a record says of the code and the machine that made it."""

from __future__ import annotations

import subprocess

import pytest

from places import ROOT
from segbench import __version__
from segbench.runs.environment import commit, describe


def test_the_commit_of_a_checkout_is_recorded() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout: the tests run from an unpacked archive")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    recorded, dirty = commit()
    assert recorded == head.stdout.strip()
    assert dirty in (True, False)


def test_the_environment_names_versions_and_hardware() -> None:
    found = describe()
    assert found["segbench"] == __version__
    assert found["packages"]["torch"]
    assert found["hardware"]["cores"] >= 1
