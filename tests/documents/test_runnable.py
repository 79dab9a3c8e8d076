"""Blocks of the documentation that are marked as runnable do run, in order, on small SYNTHETIC data.

A block of YAML that a comment gives a name is the file of that name.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from documented_commands import blocks, commands_of, pages
from places import ROOT
from segbench.cli import main

pytestmark = pytest.mark.slow
MARK = "runnable"
RUNNABLE = [
    pytest.param(page, id=page.relative_to(ROOT).as_posix())
    for page in pages()
    if any(block.name == MARK for block in blocks(page))
]


def write_folder(folder: Path) -> None:
    """Bright discs on dark, noisy ground in `mine`, and masks of somebody else in `my_masks`."""
    for name in ("mine/images", "mine/masks", "my_masks"):
        (folder / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:24, :32]
    for number in range(10):
        disc = (rows - 12) ** 2 + (columns - 10 - number) ** 2 < (5 + number % 3) ** 2
        grey = np.where(disc, 170, 70) + random.normal(0, 30, disc.shape)
        Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(folder / f"mine/images/{number:03d}.png")
        for masks, values in (("mine/masks", disc), ("my_masks", disc & (columns > 8))):
            Image.fromarray(np.where(values, 255, 0).astype(np.uint8)).save(folder / f"{masks}/{number:03d}.png")


def run(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of a `bench` command."""
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_tutorial_can_be_run() -> None:
    assert any(param.id == "docs/tutorial.md" for param in RUNNABLE)


@pytest.mark.parametrize("page", RUNNABLE)
def test_runnable_blocks_run(page: Path, tmp_path: Path, known_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    (tmp_path / "cache").mkdir()
    if known_code.exists():
        shutil.copy(known_code, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))
    for block in blocks(page):
        if block.language == "yaml" and block.name:
            (tmp_path / f"{block.name}.yaml").write_text(block.text, encoding="utf-8")
    commands = [
        words
        for block in blocks(page)
        if block.name == MARK
        for line in block.text.splitlines()
        for words in commands_of(line)
    ]
    assert commands
    for words in commands:
        status = run(words, monkeypatch)
        assert status == 0, f"bench {shlex.join(words)} ended with {status}"
