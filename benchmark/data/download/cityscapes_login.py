"""Cityscapes packages for those who have an account: the official downloader's log-in, with segbench's own transfer.

The account is taken from $CITYSCAPES_USERNAME and $CITYSCAPES_PASSWORD, or from what `csDownload` stored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from ...types import UserError

SITE = "https://www.cityscapes-dataset.com"
NO_ACCOUNT = (
    f"Cityscapes asks for an account: register at {SITE}/register/ (free for research and teaching), then set "
    "CITYSCAPES_USERNAME and CITYSCAPES_PASSWORD, or run 'csDownload -l' once and let it store them, and give the same "
    f"command again. Or fetch {{files}} from {SITE}/downloads/ in a browser and put them into '{{folder}}': the same "
    "command then unpacks them."
)


class Account:
    """A session of the official site."""

    def __init__(self, session: Any) -> None:
        self._session = session

    @property
    def headers(self) -> dict[str, str]:
        """What shows the site who asks."""
        return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._session.cookies)}

    def packages(self, names: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Address and MD5 of packages by their names. Raises UserError for one that the account may not have."""
        from cityscapesscripts.download import downloader

        with _said_plainly():
            offered = {p["name"]: p["packageID"] for p in downloader.get_available_packages(session=self._session)}
            missing = [name for name in names if name not in offered]
            if missing:
                raise UserError(
                    f"this Cityscapes account is not offered {', '.join(missing)}. Look at {SITE}/downloads/ in a "
                    "browser and agree to the licence there."
                )
            return {name: (self._url("file-handling", offered[name]), self._md5(offered[name])) for name in names}

    def _md5(self, package: Any) -> str:
        answer = self._session.get(self._url("md5-sum", package), allow_redirects=False)
        answer.raise_for_status()
        return str(answer.text).split()[0]

    @staticmethod
    def _url(what: str, package: Any) -> str:
        return f"{SITE}/{what}/?packageID={package}"


def log_in(files: Sequence[str], folder: Path) -> Account:
    """Log in with the official downloader's code, without a question to the user.

    `files` and `folder` are what to fetch by hand, and where to put it, without an account. Raises UserError, which
    says that, where there is no account or the server refuses it.
    """
    try:
        from cityscapesscripts.download import downloader
    except ImportError as error:
        raise UserError(f"the official Cityscapes downloader cannot be imported ({error})") from error
    name, password = os.environ.get("CITYSCAPES_USERNAME"), os.environ.get("CITYSCAPES_PASSWORD")
    stored = Path(downloader.appdirs.user_data_dir("cityscapesscripts", "cityscapes")) / "credentials.json"
    if not (name and password) and not stored.is_file():
        raise UserError(NO_ACCOUNT.format(files=" and ".join(files), folder=folder))
    with _said_plainly():
        if name and password:
            with _answering(downloader, name, password, folder):
                return Account(downloader.login())
        return Account(downloader.login())


@contextmanager
def _answering(downloader: Any, name: str, password: str, folder: Path) -> Iterator[None]:
    """Answer the official downloader's questions from the environment; nothing is stored."""
    answers = iter([name, "n"])
    replaced = {
        "appdirs": SimpleNamespace(user_data_dir=lambda *_: str(folder / "no-stored-credentials")),
        "getpass": SimpleNamespace(getpass=lambda _: password),
        "input": lambda _: next(answers),
    }
    kept = {key: getattr(downloader, key) for key in replaced}
    try:
        for key, value in replaced.items():
            setattr(downloader, key, value)
        yield
    finally:
        for key, value in kept.items():
            setattr(downloader, key, value)


@contextmanager
def _said_plainly() -> Iterator[None]:
    """The official downloader's failures as messages."""
    import requests

    def fail(why: str, error: Exception) -> NoReturn:
        raise UserError(f"the log-in to {SITE} failed: {why}") from error

    try:
        yield
    except UserError:
        raise
    except (requests.RequestException, OSError) as error:
        fail(f"{error}. Check the connection and try again.", error)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        fail(f"its answer was not understood ({type(error).__name__}: {error}).", error)
    except Exception as error:
        # The official code raises a bare Exception for a wrong name or password.
        fail(f"{error} Check the name and the password.", error)
