"""`bench data download`: fetch a dataset's official files and unpack them into the official layout."""

from __future__ import annotations

from typing import Any

from ..data.download.fetch import RetryPolicy
from ..data.download.manifest import is_there, read_manifest, summary, write_manifest
from ..data.download.official_files import announce, choose, get, one_fetch_at_a_time, with_logins
from ..data.locations import ARCHIVES, DOWNLOADED, default_root
from ..io.reporter import Reporter
from ..registry import dataset_class
from ..runs.data_requests import DownloadRequest as DownloadRequest
from ..types import DatasetInfo

PATIENCE = RetryPolicy()
"""How long to wait for a server where the caller says nothing."""


def download(request: DownloadRequest, reporter: Reporter, patience: RetryPolicy = PATIENCE) -> dict[str, Any]:
    """Fetch, check and unpack; what is there already is left alone.

    Raises UserError where a file cannot be fetched, is not the official one, or the dataset has no public address.
    """
    info: DatasetInfo = dataset_class(request.dataset).info
    root = request.root or default_root(info.name)
    chosen = choose(info, request.only)
    with one_fetch_at_a_time(root, reporter):
        record = read_manifest(root / DOWNLOADED)
        missing = [d for d in chosen if not is_there(root, d, record.get(d.filename))]
        if missing:
            announce(info, root, missing, request.keep_archives, reporter)
        for wanted, headers in with_logins(missing, root / ARCHIVES):
            entry = record.get(wanted.filename)
            record[wanted.filename] = get(root, wanted, entry, headers, patience, request.keep_archives, reporter)
            write_manifest(root / DOWNLOADED, record)
    return summary(info, root, chosen, record, {d.filename for d in missing}, reporter)
