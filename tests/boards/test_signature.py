"""Signed records: whoever is asked for is named, and nobody else's signature is taken; by the real ssh-keygen."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from evaluated_runs import evaluated, truth
from forged_records import change

from commands import Run
from places import ROOT
from segbench.boards.signature import MAX_SIGNATURE_BYTES, signature_check
from segbench.boards.validation import validate
from segbench.commands.sign import sign_run
from segbench.errors import UserError
from segbench.io.reporter import Reporter
from segbench.runs.binding import content_sha256
from segbench.runs.record import read_content, read_record
from segbench.runs.stored_requests import LeaderboardRequest

KEYGEN = shutil.which("ssh-keygen")
pytestmark = pytest.mark.skipif(KEYGEN is None, reason="ssh-keygen of OpenSSH is not installed")
QUIET = Reporter(quiet=True)
SIGNATURE = "record.json.sig"


def _key(path: Path) -> Path:
    assert KEYGEN is not None
    subprocess.run([KEYGEN, "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, keys of two people, and a file that knows one of them."""
    folder = tmp_path_factory.mktemp("signed")
    root = truth(folder / "root", 6)
    for name, part in (("mine", 0.1), ("other", 0.2)):
        evaluated(root, folder / "runs" / name, [part] * 6, name)
    alice, mallory = _key(folder / "alice"), _key(folder / "mallory")
    lines = [f'alice@example.org namespaces="segbench-record" {alice.with_suffix(".pub").read_text()}']
    (folder / "signers").write_text("".join(lines))
    (folder / "everyone").write_text(lines[0] + f"mallory@example.org {mallory.with_suffix('.pub').read_text()}")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "runs" / "mine", tmp_path / read_record(made / "runs" / "mine").run_id))


def sign(run: Path, key: Path) -> None:
    assert sign_run(LeaderboardRequest(sign=run, key=key)).ok


def checked(run: Path, signers: Path | None) -> tuple[bool | None, str]:
    """What `--validate` says of the signature, after all else is found sound."""
    for name in ("log.txt", "config.yaml", ".lock", "plots"):
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (found,) = (check for check in validate(run, None, QUIET, signers).checks if check.name == "signature")
    return found.ok, found.detail


def test_who_signed_is_named(run: Path, made: Path) -> None:
    sign(run, made / "alice")
    assert checked(run, made / "signers") == (True, "signed by alice@example.org")
    ok, detail = checked(run, None)
    assert ok is None
    assert detail.startswith("signed with ED25519 key SHA256:")
    assert validate(run, None, QUIET, made / "signers").ok


def test_unsigned_is_fine_unless_asked_for(run: Path, made: Path) -> None:
    assert checked(run, None) == (None, "not signed")
    assert validate(run, None, QUIET).ok
    assert checked(run, made / "signers") == (False, "not signed, and --signers asks for it")


def test_a_signature_of_somebody_else_is_refused(run: Path, made: Path) -> None:
    sign(run, made / "mallory")
    ok, detail = checked(run, made / "signers")
    assert ok is False
    assert "which is of none of the signers" in detail
    assert checked(run, made / "everyone") == (True, "signed by mallory@example.org")


def test_a_signature_of_another_record_is_refused(run: Path, made: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(made / "runs" / "other", tmp_path / "other"))
    sign(other, made / "alice")
    shutil.copyfile(other / SIGNATURE, run / SIGNATURE)
    for signers in (None, made / "signers"):
        assert checked(run, signers) == (False, f"{SIGNATURE} is not a signature of this record")


def test_what_was_edited_after_it_was_signed_is_refused(run: Path, made: Path) -> None:
    """Also where the digest was computed again."""
    sign(run, made / "alice")
    change(run, cost__parameters=12)
    change(run, content_sha256=content_sha256(read_content(run / "record.json")))
    assert checked(run, None)[0] is False
    assert checked(run, made / "signers")[0] is False


def test_a_signature_for_something_else_is_refused(run: Path, made: Path) -> None:
    """A key that signs letters signs no records by it."""
    assert KEYGEN is not None
    command = [KEYGEN, "-q", "-Y", "sign", "-f", str(made / "alice"), "-n", "file", str(run / "record.json")]
    subprocess.run(command, check=True, capture_output=True)
    assert (run / SIGNATURE).is_file()
    assert checked(run, made / "signers")[0] is False


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 99, b"x" * (MAX_SIGNATURE_BYTES + 1)])
def test_what_is_no_signature_is_refused(run: Path, made: Path, content: bytes) -> None:
    (run / SIGNATURE).write_bytes(content)
    assert checked(run, None)[0] is False
    assert checked(run, made / "signers")[0] is False


def test_only_what_is_bound_and_sound_is_signed(run: Path, made: Path, tmp_path: Path) -> None:
    older = Path(shutil.copytree(ROOT / "leaderboards/records/isbi2012-threshold-146d703e", tmp_path / "older"))
    with pytest.raises(UserError, match="not to be signed: content: content not bound"):
        sign(older, made / "alice")
    change(run, cost__parameters=12)
    with pytest.raises(UserError, match=r"not to be signed: content: .* edited"):
        sign(run, made / "alice")
    assert not (run / SIGNATURE).exists()


def test_a_key_that_cannot_sign_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("no key")
    with pytest.raises(UserError, match="ssh-keygen cannot sign with"):
        sign(run, tmp_path / "broken")
    for key in (None, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="--key"):
            sign_run(LeaderboardRequest(sign=run, key=key))
    with pytest.raises(UserError, match="--signers 'nowhere' does not exist"):
        signature_check(run, Path("nowhere"))


@pytest.mark.slow
def test_from_the_command_line(bench: Run, run: Path, made: Path) -> None:
    done = bench("leaderboard", "--sign", run, "--key", made / "alice")
    assert done.returncode == 0, done.stderr
    assert "signature: signed with ED25519 key" in done.stdout
    known = ("leaderboard", "--validate", run, "--signers", made / "signers")
    assert "signature: signed by alice@example.org" in bench(*known).stdout
    change(run, cost__parameters=12)
    assert bench(*known).returncode == 1
    assert bench("leaderboard", run.parent, "--signers", made / "signers").returncode == 2


@pytest.mark.slow
def test_a_run_made_anew_loses_its_signature(run: Path, made: Path) -> None:
    sign(run, made / "alice")
    again = evaluated(made / "root", run, [0.3] * 6, "mine", overwrite=True)
    assert again == run
    assert not (run / SIGNATURE).exists()
