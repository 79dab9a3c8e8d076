"""Opening addresses of http and https, and saying what a failure of the network means. Standard library only."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from .._version import __version__
from ..errors import UserError

_RULE = "segbench follows addresses of http and https only, and never leaves https for http"


PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers of a server after which the same request may succeed."""

_BLOCK = 1 << 16


@dataclass(frozen=True)
class SmallFile:
    """How much is read of an address at once, and for how long: what is larger or slower is refused.

    `timeout_s` is the longest silence of the server, `total_s` how long all of it may take.
    """

    max_bytes: int
    timeout_s: float = 30.0
    total_s: float = 300.0
    attempts: int = 3
    wait_s: float = 1.0


class TransientError(Exception):
    """A failure that may pass; `retry_after_s` is how long the server asks to wait."""

    def __init__(self, text: str, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A download never becomes less safe on its way, and what is for one host goes to no other."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme not in ("http", "https") or (old.scheme, new.scheme) == ("https", "http"):
            raise UserError(f"{req.full_url} redirects to {newurl[:200]}, which is refused: {_RULE}")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and (old.scheme, old.netloc) == (new.scheme, new.netloc):
            for name, value in req.unredirected_hdrs.items():
                if name != "Host":
                    request.add_unredirected_header(name, value)
        return request


def opener() -> urllib.request.OpenerDirector:
    """What opens addresses: none of file:, ftp: or data:."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirects(),
    ):
        director.add_handler(handler)
    return director


def read_address(url: str, limits: SmallFile) -> bytes:
    """The content of an address of http or https, which is read into memory within these limits.

    Raises
    ------
    UserError
        For an address of another kind, one that the server refuses, cannot be reached, or sends more than
        `max_bytes`, or all of it not within `total_s`.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise UserError(f"'{url[:200]}' cannot be read: expected http(s)://host/path, without a user name")
    deadline = time.monotonic() + limits.total_s
    failure: TransientError | None = None
    for attempt in range(limits.attempts):
        if attempt:
            time.sleep(limits.wait_s * 2 ** (attempt - 1))
        try:
            return _read_once(url, limits, deadline)
        except TransientError as error:
            failure = error
    raise UserError(
        f"{url} could not be read: {failure} ({limits.attempts} attempts). Check the connection and try again later."
    ) from failure


def _read_once(url: str, limits: SmallFile, deadline: float) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": f"segbench/{__version__}"})
    request.add_header("Accept-Encoding", "identity")
    try:
        with opener().open(request, timeout=limits.timeout_s) as response:
            return _whole_body(url, response, limits, deadline)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in PASSING_STATUSES:
                raise TransientError(f"the server answers {error.code}") from error
            raise UserError(f"{url} cannot be read: the server answers {error.code} ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise network_error(url, error) from error


def _whole_body(url: str, response: Any, limits: SmallFile, deadline: float) -> bytes:
    content = bytearray()
    while block := response.read1(_BLOCK):
        content += block
        if len(content) > limits.max_bytes:
            raise UserError(f"{url} is refused: it sends more than {limits.max_bytes:,} bytes")
        if time.monotonic() > deadline:
            raise UserError(f"{url} is refused: it did not send all of it within {limits.total_s:g} s")
    if response.length:
        raise TransientError("the connection ended too early")
    return bytes(content)


def network_error(url: str, error: Exception) -> Exception:
    """What a failure of the network means: a TransientError to try again, or a UserError where that cannot help."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return UserError(f"{url}: the server's certificate is not trusted ({reason.verify_message})")
    if isinstance(reason, str) and reason.startswith("unknown url type"):
        return UserError(f"{url} cannot be fetched: {_RULE}")
    if isinstance(error, TimeoutError | http.client.IncompleteRead):
        reason = "the server sends nothing more"
    return TransientError(str(reason) or type(reason).__name__)
