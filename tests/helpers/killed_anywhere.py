"""A change of files that is killed before every single step of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_KILLING = """
import os, sys, traceback
from pathlib import Path

STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink"}
KILLED = 9

def is_step(event, args):
    if event == "open":
        return bool(args[2] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR))
    return event in STEPS

def ends_at(last):
    child = os.fork()
    if not child:
        seen = 0
        def watch(event, args):
            nonlocal seen
            if is_step(event, args):
                seen += 1
                if seen == last:
                    os._exit(KILLED)
        sys.addaudithook(watch)
        status = 1
        try:
            change(Path(sys.argv[1]))
            status = 0
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

moment = 1
while (status := ends_at(moment)) == KILLED:
    check(Path(sys.argv[1]))
    # Whatever a kill leaves, the next one does its work.
    assert ends_at(0) == 0, f"killed before step {moment}, it did not begin again"
    check(Path(sys.argv[1]))
    moment += 1
assert status == 0, f"step {moment}"
print(moment - 1)
"""


def killed_before_every_step(code: str, folder: Path) -> int:
    """Kill a change of files before its first step, before its second one, and so on; returns how many it has.

    Parameters
    ----------
    code : str
        Defines `change(folder)`, and `check(folder)` for what has to hold whenever somebody looks.
    folder : Path
        What both are given. A step makes, opens for writing, renames or removes a file or a folder.
    """
    asked = [sys.executable, "-c", code + _KILLING, str(folder)]
    done = subprocess.run(asked, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
