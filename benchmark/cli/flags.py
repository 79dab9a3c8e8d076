"""Flags that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; messages go to stderr.")]
TrustLarge = Annotated[
    bool, typer.Option("--trust-large", help="Read files that need more than 300 MB of memory each.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no messages, only warnings and results.")]
