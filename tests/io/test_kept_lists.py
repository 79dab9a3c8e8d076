"""What `bench list` prints is kept as long as nothing that it is made of has changed, and never believed otherwise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from commands import Run, printed_json
from segbench.io.kept_lists import KeptLists

ENTRIES = [{"name": "one", "summary": "the first", "tasks": ["binary"]}]


def _path(folder: Path) -> Path:
    return folder / "cache" / "lists.json"


def test_what_was_put_is_found_by_the_next(tmp_path: Path) -> None:
    first = KeptLists(_path(tmp_path))
    assert first.get("methods") is None
    first.put("methods", ENTRIES)
    second = KeptLists(_path(tmp_path))
    assert second.get("methods") == ENTRIES
    assert second.get("metrics") is None
    second.put("metrics", [])
    third = KeptLists(_path(tmp_path))
    assert (third.get("methods"), third.get("metrics")) == (ENTRIES, [])


def test_a_changed_byte_voids_what_is_kept(tmp_path: Path) -> None:
    KeptLists(_path(tmp_path)).put("methods", ENTRIES)
    whole = _path(tmp_path).read_bytes()
    place = whole.index(b"one")
    for content in (whole[:place] + b"two" + whole[place + 3 :], whole[:-1], b"", b"\xff", b'\n{"methods": []}'):
        _path(tmp_path).write_bytes(content)
        assert KeptLists(_path(tmp_path)).get("methods") is None


def test_what_is_installed_voids_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    KeptLists(_path(tmp_path)).put("methods", ENTRIES)
    assert KeptLists(_path(tmp_path)).get("methods") == ENTRIES
    (site / "other.dist-info").mkdir()
    assert KeptLists(_path(tmp_path)).get("methods") is None


A_PART_MORE = """
import sys
from pathlib import Path
import segbench
from segbench.io.kept_lists import KeptLists

place, kept, entries = Path(sys.argv[1]), Path(sys.argv[2]), [{"name": "unet"}]
part = place / "segbench" / "baselines"
segbench.__path__ = segbench.__spec__.submodule_search_locations = [*segbench.__path__, str(part.parent)]
for change in (None, "A = 2\\n", "B = 1\\n"):
    if change is not None:
        (part / ("mine.py" if change[0] == "A" else "new.py")).write_text(change)
        assert KeptLists(kept).get("methods") is None, change
    KeptLists(kept).put("methods", entries)
    assert KeptLists(kept).get("methods") == entries, change
"""


def test_a_changed_or_new_file_of_the_package_voids_what_is_kept(tmp_path: Path) -> None:
    """In a process of its own: where a package lies is remembered in many places of Python's."""
    part = tmp_path / "segbench" / "baselines"
    part.mkdir(parents=True)
    (part / "mine.py").write_text("A = 1\n")
    words = [sys.executable, "-c", A_PART_MORE, str(tmp_path), str(_path(tmp_path))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_list_that_cannot_be_written_down_is_made_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = KeptLists(tmp_path / "file" / "lists.json")
    kept.put("methods", ENTRIES)
    assert KeptLists(tmp_path / "file" / "lists.json").get("methods") is None


@pytest.mark.slow
@pytest.mark.parametrize("what", ["datasets", "methods", "metrics", "presets", "suites"])
def test_a_list_is_the_same_again(bench: Run, what: str, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    made, kept = (printed_json(bench("list", what, "--json", SEGBENCH_CACHE=cache)) for _ in range(2))
    assert made
    assert made == kept
    assert (tmp_path / "cache" / "lists.json").is_file()


@pytest.mark.slow
def test_plugins_are_looked_at_each_time(bench: Run, tmp_path: Path) -> None:
    """A plugin may be broken by what it imports, which no stamp tells."""
    plugins, cache = tmp_path / "plugins", str(tmp_path / "cache")
    (plugins / "baselines").mkdir(parents=True)
    (plugins / "baselines" / "torn.py").write_text("import no_such_module\n")
    own = bench("list", "methods", "--json", SEGBENCH_CACHE=cache)
    for _ in range(2):
        done = bench("list", "methods", "--json", SEGBENCH_CACHE=cache, SEGBENCH_PLUGINS=str(plugins))
        assert done.returncode == 0
        assert done.stderr.count("torn.py") == 1
        assert printed_json(done) == printed_json(own)
