"""Every command that makes something, killed or stopped at a random moment, and run again: as if undisturbed."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

import pytest
from disturbed import DEEDS, content, disturbed, done, left_over, prepared

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("chaos") / "source")


@pytest.mark.parametrize("name", DEEDS)
def test_the_end_is_as_if_undisturbed(name: str, source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "calm")
    seconds = done(DEEDS[name].words, tmp_path / "calm")
    disturbed(name, source, tmp_path / "disturbed", seconds, 2, random.Random(name))
    assert content(tmp_path / "disturbed") == content(tmp_path / "calm")
    assert left_over(tmp_path / "disturbed") == []
