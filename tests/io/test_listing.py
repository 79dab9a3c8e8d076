"""Paths that a stranger's file names: they are looked at, and are never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from segbench.io.listing import is_folder, resolved
from segbench.runs.learned_from import refuse_other_weights, seconds_before
from segbench.runs.predict_folder import readable_sha256

ODD = ["a\x00b", "a\ud800b", "x" * 5000, "/".join(3000 * ["y"]), "\x00", "nothing/here"]


@pytest.mark.parametrize("named", ODD, ids=["null", "surrogate", "long", "deep", "only null", "missing"])
def test_a_path_that_there_cannot_be_is_none(named: str, tmp_path: Path) -> None:
    assert not is_folder(Path(named))
    assert resolved(named) in (None, Path(named).absolute())
    assert seconds_before({"init": named, "init_sha256": "0" * 64}) is None
    (tmp_path / "a.png").write_bytes(b"a")
    assert readable_sha256([tmp_path / "a.png"], [named]) == readable_sha256([tmp_path / "a.png"], [])
    assert readable_sha256([tmp_path / "a.png"], [str(tmp_path / "a.png")]) == readable_sha256([], [])


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_path_that_there_is(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert is_folder(tmp_path)
    assert is_folder(tmp_path / "link")
    assert resolved(str(tmp_path / "link")) == tmp_path.resolve()
    assert not is_folder(Path(__file__))
    refuse_other_weights({"init": str(tmp_path)})
