"""`bench publish`: open the folder of a pull request that adds a result, and list results for a web server."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..boards.validation import validate
from ..io.atomic import temporary_folder, write_text
from ..io.documents import Document
from ..io.reporter import Reporter
from ..runs.find import run_folders
from ..runs.folder import RECORD, SIGNATURE, STATISTICS
from ..runs.record import read_content
from ..runs.redaction import Maker, traces_of_maker, without_maker
from ..runs.results_index import INDEX, write_index
from ..runs.stored import StoredRun, open_unchecked
from ..runs.stored_checks import Check
from ..runs.stored_requests import RECORDS
from ..runs.stored_requests import PublishRequest as PublishRequest
from ..text import counted
from ..types import UserError

FORM = Path(".github/PULL_REQUEST_TEMPLATE/add-a-result.md")
"""The form of a pull request that adds a result, in a clone."""


class PublishedRun(Document):
    """What became of a run; `folder` is where it lies now, None where a check failed.

    `rewritten` names the keys of its record that told of its maker's machine and do not any more.
    """

    run_id: str
    ok: bool
    folder: str | None
    rewritten: list[str]
    checks: list[Check]


class Publication(Document):
    """Runs that were opened for a pull request, the index that was written, and the commands to type next."""

    ok: bool
    runs: list[PublishedRun]
    index: str | None
    commands: list[str]


def publish(request: PublishRequest, reporter: Reporter) -> Publication:
    """Copy the record and the statistics of runs into a results repository, once they pass its checks.

    Nothing is pushed: what to type is in `commands`. A run that fails a check leaves nothing there.

    Raises
    ------
    UserError
        Where nothing is asked for, a run cannot be read, or there is no folder of results.
    """
    if not request.runs and request.index is None:
        raise UserError("name a run folder to publish, or a folder to list with --index. See bench publish --help.")
    if request.runs and request.to == RECORDS and not RECORDS.is_dir():
        raise UserError(f"there is no '{RECORDS}' here. Go to a clone of segbench, or name another folder with --to.")
    maker = Maker.here()
    runs = [_published(folder, request, maker, reporter) for folder in request.runs]
    if request.index is not None:
        _list_results(request.index, maker, reporter)
    added = [Path(run.folder) for run in runs if run.folder is not None]
    pairs = zip(request.runs, runs, strict=True)
    to_sign = [run.run_id for folder, run in pairs if run.folder and run.rewritten and (folder / SIGNATURE).is_file()]
    return Publication(
        ok=all(run.ok for run in runs),
        runs=runs,
        index=None if request.index is None else str(request.index / INDEX),
        commands=list(_commands(added, request.to, to_sign)),
    )


def _published(folder: Path, request: PublishRequest, maker: Maker, reporter: Reporter) -> PublishedRun:
    run = open_unchecked(folder)
    run_id = run.record.run_id
    target = request.to / run_id
    if target.exists():
        there = Check.of("new", False, f"'{target}' is there already; to replace it, remove it first")
        return PublishedRun(run_id=run_id, ok=False, folder=None, rewritten=[], checks=[there])
    content = read_content(run.folder / RECORD)
    clean = without_maker(content, maker)
    with temporary_folder(target) as made:
        copy = made / run_id
        copy.mkdir()
        _write(run, clean, copy, signed=clean == content)
        private = _private(clean, run, maker)
        checks = [Check.of("new", True, f"not in '{request.to}' yet"), private]
        checks += validate(copy, request.root, reporter, among=request.to).checks
        ok = all(check.ok is not False for check in checks)
        if ok:
            copy.rename(target)
    rewritten = [key for key in clean if clean[key] != content[key]]
    return PublishedRun(run_id=run_id, ok=ok, folder=str(target) if ok else None, rewritten=rewritten, checks=checks)


def _write(run: StoredRun, content: dict[str, object], copy: Path, *, signed: bool) -> None:
    """The files of a submitted run; a signature goes along while it is one of this very record."""
    shutil.copyfile(run.folder / STATISTICS, copy / STATISTICS)
    if signed:
        shutil.copyfile(run.folder / RECORD, copy / RECORD)
        if (run.folder / SIGNATURE).is_file():
            shutil.copyfile(run.folder / SIGNATURE, copy / SIGNATURE)
    else:
        write_text(copy / RECORD, run.record.laid_out(content))


def _private(content: object, run: StoredRun, maker: Maker) -> Check:
    """Whether nothing tells of the maker's machine: neither what the run's id stands for, nor names of samples."""
    names = sorted({name for item in run.statistics for name in (item.sample_id, item.group)})
    for where, text in (*traces_of_maker(content, maker), *traces_of_maker({"sample ids": names}, maker)):
        told = f"{where} says '{text}', which the run's id stands for: rename it and make the run again"
        return Check.of("private", False, told)
    return Check.of("private", True, "no path, user or host of your machine is in it")


def _list_results(folder: Path, maker: Maker, reporter: Reporter) -> None:
    index = write_index(folder)
    reporter.say(f"wrote {folder / INDEX}: {counted(len(index.runs), 'run')}")
    for each in run_folders(folder):
        for where, text in traces_of_maker(read_content(each / RECORD), maker):
            reporter.warn(f"{each.name}: {where} says '{text}', which readers of the index will see")
            break


def _commands(added: Sequence[Path], to: Path, to_sign: Sequence[str]) -> Iterator[str]:
    """What to type for a pull request with these folders, or to host them; some have lost their signature."""
    if not added:
        return
    names = [folder.name for folder in added]
    top = _work_tree(to)
    boards = to.name == RECORDS.name and (to.parent / "README.md").is_file()
    listed = (to / INDEX).is_file()
    if top is not None and top != _work_tree(Path()):
        yield shlex.join(["cd", str(top)])
        to = to.resolve().relative_to(top)
    what = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    if top is not None:
        yield shlex.join(["git", "switch", "-c", f"result-{names[0]}"])
    for folder in to_sign:
        yield f"bench leaderboard --sign {shlex.quote(str(to / folder))} --key ~/.ssh/id_ed25519"
    if boards:
        yield shlex.join(["bench", "leaderboard", str(to), "--out", str(to.parent)])
    if listed or top is None:
        yield shlex.join(["bench", "publish", "--index", str(to)])
    if top is not None:
        yield shlex.join(["git", "add", str(to.parent if boards else to)])
        yield shlex.join(["git", "commit", "-m", f"Add the result {what}"])
        yield "git push -u origin HEAD"
        form = ["--template", FORM.name] if (top / FORM).is_file() else ["--body", ""]
        yield shlex.join(["gh", "pr", "create", "--title", f"Add the result {what}", *form])


def _work_tree(folder: Path) -> Path | None:
    """The root of the git work tree that a folder lies in; None where it lies in none, or git is not there."""
    command = ["git", "-C", str(folder), "rev-parse", "--show-toplevel"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return Path(done.stdout.strip())
