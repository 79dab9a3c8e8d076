"""A local HTTP server for tests of downloads: honest by default, and as unreliable as a test asks it to be."""

from __future__ import annotations

import hashlib
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Served:
    """One file on the server, and its whims.

    cuts: how many bytes of each answer's body are sent before the connection is cut, one per answer; afterwards all.
    statuses: answers with these codes come first. `etag` and `content` may be changed while the server runs.
    """

    content: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    if_range: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    framing: str = "length"
    redirect: str = ""
    pause_s: float = 0.0
    block: int = 1 << 16


@dataclass
class Server:
    """Address, files by path, and every request that came: (path, headers)."""

    address: str
    files: dict[str, Served] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    post_status: int = 302

    def add(self, name: str, content: bytes, **whims: Any) -> Served:
        self.files[f"/{name}"] = Served(content, **whims)
        return self.files[f"/{name}"]

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"

    def ranges(self) -> list[str | None]:
        """The Range header of every request."""
        return [headers.get("Range") for _, headers in self.requests]


@contextmanager
def serving() -> Iterator[Server]:
    """A server on this machine, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Not on the test's output."""

        def do_GET(self) -> None:
            server.requests.append((self.path, dict(self.headers.items())))
            served = server.files.get(self.path)
            if served is None:
                self._say(404)
            elif served.statuses:
                self._say(served.statuses.pop(0), served.headers)
            elif served.redirect:
                self._say(302, {"Location": served.redirect})
            else:
                self._serve(served)

        def do_POST(self) -> None:
            server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
            self._say(server.post_status, {"Location": "/"})

        def _say(self, code: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(code)
            for name, value in {"Content-Length": "0", **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()

        def _serve(self, served: Served) -> None:
            content, start, code = served.content, 0, 200
            span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            wanted = self.headers.get("If-Range")
            if span and served.ranges and (not served.if_range or wanted in (None, served.etag)):
                start, code = int(span[1]), 206
                if start >= len(content):
                    self._say(416, {"Content-Range": f"bytes */{len(content)}"})
                    return
            body = content[start:]
            self.send_response(code)
            if served.etag:
                self.send_header("ETag", served.etag)
            if code == 206:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if served.framing == "length":
                self.send_header("Content-Length", str(len(body) if served.length is None else served.length))
            elif served.framing == "chunked":
                self.send_header("Transfer-Encoding", "chunked")
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.end_headers()
            cut = served.cuts.pop(0) if served.cuts else None
            self._send(body if cut is None else body[:cut], served, whole=cut is None)

        def _send(self, body: bytes, served: Served, *, whole: bool) -> None:
            chunked = served.framing == "chunked"
            try:
                for begin in range(0, len(body), served.block):
                    block = body[begin : begin + served.block]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)
                    self.wfile.flush()
                    time.sleep(served.pause_s)
                if chunked and whole:
                    self.wfile.write(b"0\r\n\r\n")
            except OSError:
                pass  # the client has gone
            self.close_connection = not whole or served.framing == "close" or served.length is not None

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *where: Any) -> None:
            """A client that goes away is no error of the server."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(*where)

    httpd = Quiet(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    server = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
