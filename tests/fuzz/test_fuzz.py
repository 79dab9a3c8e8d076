"""A few seconds of the fuzzer, and every input that ever found something (`corpus/`)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fuzz import fault_of
from fuzz_targets import TARGETS
from mutations import damaged

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    chance, seeds = random.Random(f"{name} 0"), TARGETS[name].seeds()
    for number in range(40):
        data = damaged(seeds, chance)
        fault = fault_of(name, data, tmp_path)
        assert fault is None, f"input {number}: {fault}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_what_was_found_once_stays_mended(path: Path, tmp_path: Path) -> None:
    assert fault_of(path.name.partition(".")[0], path.read_bytes(), tmp_path) is None


@pytest.mark.parametrize("name", TARGETS)
def test_sound_files_are_read(name: str, tmp_path: Path) -> None:
    """Else the fuzzer would only see what is refused."""
    for number, seed in enumerate(TARGETS[name].seeds()):
        path = tmp_path / f"{number}{TARGETS[name].suffix}"
        path.write_bytes(seed)
        TARGETS[name].read(path)
