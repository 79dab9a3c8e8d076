"""`bench leaderboard --sign`: vouch for the record of a run with an SSH key."""

from __future__ import annotations

from ..boards.signature import sign, signature_check
from ..runs.stored import open_unchecked
from ..runs.stored_checks import Verification, binding_checks, stored_checks
from ..runs.stored_requests import LeaderboardRequest
from ..types import UserError


def sign_run(request: LeaderboardRequest) -> Verification:
    """Sign the record of a run folder that is bound to its content, and check what was signed.

    Raises
    ------
    UserError
        If it is no run folder, its record is not bound or not what was written, or ssh-keygen cannot sign it.
    """
    if request.sign is None or request.key is None:
        raise UserError("--sign needs --key FILE: your SSH key, such as ~/.ssh/id_ed25519")
    run = open_unchecked(request.sign)
    checks = [*stored_checks(run), *binding_checks(run)]
    for check in checks:
        if check.ok is False or (check.name == "content" and not check.ok):
            raise UserError(f"'{run.folder}' is not to be signed: {check.name}: {check.detail}")
    sign(run.folder, request.key)
    return Verification.of(run, [*checks, signature_check(run.folder, None)])
