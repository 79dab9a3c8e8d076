"""Opening addresses of http and https, and saying what a failure of the network means. Standard library only."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from typing import IO
from urllib.parse import urlsplit

from ..errors import UserError

_RULE = "segbench follows addresses of http and https only, and never leaves https for http"


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
