"""What a record says of the code and the machine that made it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from places import ROOT
from segbench import __version__
from segbench.runs.environment import _git, commit, describe


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


def test_looking_at_a_checkout_takes_no_lock_of_it(tmp_path: Path) -> None:
    """A user's own commit at that moment would fail, and a killed run would leave the lock behind."""
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "all"),
    ):
        (tmp_path / "file").write_text("content")
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    index = tmp_path / ".git" / "index"
    before = index.read_bytes()
    os.utime(tmp_path / "file", (1, 1))
    assert _git(tmp_path, "status", "--porcelain") == ""
    assert index.read_bytes() == before
