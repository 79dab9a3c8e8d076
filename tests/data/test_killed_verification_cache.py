"""The cache of verified files: a process that dies in any of SQLite's changes leaves a whole write or nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from preloaded import compiled

pytestmark = pytest.mark.slow
DYING = """
import ctypes, os, shutil, sqlite3, sys
from contextlib import closing
from pathlib import Path
from segbench.data.verification_cache import Content, VerificationCache

PARENT, KIND, KILLED, COUNT = Path(sys.argv[1]), sys.argv[2], 9, 200
die_before = ctypes.CDLL(None).die_before

def opened(folder):
    return VerificationCache(folder / "some.sqlite", folder, "code")

def write(folder, kind):
    cache = opened(folder)
    for n in range(COUNT):
        cache.add_file(folder / f"{kind}-{n}", "stamp", f"hash of {kind}")
        cache.add_sample(f"{kind}-{n}", {"image": "stamp"}, Content(f"pixels of {kind}", None))
    cache.save()

def known(folder, kind):
    cache, names = opened(folder), [f"{kind}-{n}" for n in range(COUNT)]
    cache.recall_files(folder / name for name in names)
    cache.recall_samples(names)
    files = [cache.sha256(folder / name, "stamp") for name in names]
    samples = [cache.content(name, {"image": "stamp"}) for name in names]
    assert set(files) <= {None, f"hash of {kind}"}
    assert set(samples) <= {None, Content(f"pixels of {kind}", None)}
    return COUNT - files.count(None), COUNT - samples.count(None)

def begun(folder):
    folder.mkdir()
    if KIND == "used":
        write(folder, "before")
    if KIND == "foreign":
        with closing(sqlite3.connect(folder / "some.sqlite")) as connection:
            connection.execute("CREATE TABLE another (program)")

def ends_before(moment, folder):
    child = os.fork()
    if not child:
        die_before(moment)
        write(folder, "killed")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

moment, status = 0, KILLED
while status == KILLED:
    moment, folder = moment + 1, PARENT / f"{KIND}-{moment + 1}"
    begun(folder)
    status = ends_before(moment, folder)
    assert known(folder, "killed") in (((0, 0), (COUNT, COUNT)) if status else ((COUNT, COUNT),)), moment
    assert KIND != "used" or known(folder, "before") == (COUNT, COUNT), moment
    write(folder, "after")
    assert known(folder, "after") == (COUNT, COUNT), moment
    shutil.rmtree(folder)
assert status == 0, status
print(moment - 1)
"""


@pytest.mark.parametrize("kind", ["missing", "used", "foreign"])
def test_killed_in_any_change_the_cache_holds_a_whole_write_or_nothing(kind: str, tmp_path: Path) -> None:
    preload = {"LD_PRELOAD": str(compiled("dying", tmp_path))}
    command = [sys.executable, "-c", DYING, str(tmp_path), kind]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | preload)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 12
