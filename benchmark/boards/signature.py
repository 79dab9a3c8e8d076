"""Signatures of records with SSH keys, made and checked by OpenSSH's ssh-keygen alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from ..io.atomic import atomic_path
from ..runs.folder import RECORD, SIGNATURE
from ..runs.stored_checks import Check
from ..types import UserError

NAMESPACE = "segbench-record"
"""What a signature is for: one that was made for anything else is none of a record."""
MAX_SIGNATURE_BYTES = 65536
"""Of any key a signature takes less than a tenth of it."""


def sign(folder: Path, key: Path) -> None:
    """Sign the record of a run folder with an SSH key, beside it; ssh-keygen asks for the passphrase if there is one.

    Raises
    ------
    UserError
        Where ssh-keygen is not there, or cannot sign with the key.
    """
    if not key.is_file():
        raise UserError(f"--key '{key}' does not exist; expected an SSH key, such as ~/.ssh/id_ed25519")
    done = _ssh_keygen(folder, "sign", "-f", str(key))
    if done is None:
        raise UserError("there is no ssh-keygen to sign with. Install OpenSSH 8.1 or newer.")
    if done.returncode != 0 or not done.stdout:
        raise UserError(f"ssh-keygen cannot sign with '{key}': {_said(done.stderr)}")
    with atomic_path(folder / SIGNATURE) as temporary:
        temporary.write_bytes(done.stdout)


def signature_check(folder: Path, signers: Path | None) -> Check:
    """Whether the signature beside a record is one of it, and by whom where `signers` names those that are known.

    `signers` is a file of allowed signers as OpenSSH reads it: a name, a key type and a public key in each line.

    Raises
    ------
    UserError
        Where signers are asked for and there is no such file, or no ssh-keygen.
    """
    if signers is not None and not signers.is_file():
        raise UserError(f"--signers '{signers}' does not exist; expected lines of a name, a key type and a public key")
    path = folder / SIGNATURE
    if not path.is_file():
        asked = "not signed, and --signers asks for it" if signers is not None else "not signed"
        return Check.of("signature", None if signers is None else False, asked)
    if path.stat().st_size > MAX_SIGNATURE_BYTES:
        return Check.of("signature", False, f"{SIGNATURE} is no signature: it is larger than any")
    valid = _ssh_keygen(folder, "check-novalidate", "-s", str(path))
    if valid is None and signers is not None:
        raise UserError("there is no ssh-keygen to check the signature with. Install OpenSSH 8.1 or newer.")
    if valid is None:
        return Check.of("signature", None, "signed; not checked, as there is no ssh-keygen")
    if valid.returncode != 0:
        return Check.of("signature", False, f"{SIGNATURE} is not a signature of this record")
    if signers is None:
        return Check.of("signature", None, f"{_key_of(valid.stdout)}; whose it is, --signers can tell")
    return _by_whom(folder, path, signers, _key_of(valid.stdout))


def _by_whom(folder: Path, path: Path, signers: Path, key: str) -> Check:
    found = _ssh_keygen(folder, "find-principals", "-s", str(path), "-f", str(signers))
    names = [] if found is None or found.returncode != 0 else _text(found.stdout).splitlines()
    for name in names:
        done = _ssh_keygen(folder, "verify", "-f", str(signers), "-I", name, "-s", str(path))
        if done is not None and done.returncode == 0:
            return Check.of("signature", True, f"signed by {name}")
    return Check.of("signature", False, f"{key}, which is of none of the signers in '{signers}'")


def _ssh_keygen(folder: Path, deed: str, *options: str) -> subprocess.CompletedProcess[bytes] | None:
    """What ssh-keygen does with a record; None where there is none."""
    program = shutil.which("ssh-keygen")
    if program is None:
        return None
    record = (folder / RECORD).read_bytes()
    return subprocess.run([program, "-Y", deed, "-n", NAMESPACE, *options], input=record, capture_output=True)


def _key_of(stdout: bytes) -> str:
    """`signed with ED25519 key SHA256:…`, of what ssh-keygen says of a good signature."""
    return "signed with " + (_text(stdout).partition(" with ")[2].strip() or "a key")


def _said(stderr: bytes) -> str:
    return _text(stderr).strip().splitlines()[-1] if stderr.strip() else "it does not say why"


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
