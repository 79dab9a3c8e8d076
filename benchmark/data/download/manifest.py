"""What was fetched into a root, written down beside it, and whether it is still there."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...io.atomic import write_text
from ...io.reporter import Reporter
from ...io.text_files import read_json
from ...registry import make_dataset
from ...types import DatasetInfo, Download, UserError
from ..locations import DOWNLOAD_LOCK, DOWNLOADED
from .disk import disk_error

OWN = frozenset({DOWNLOADED, DOWNLOAD_LOCK})


def describe_downloads(info: DatasetInfo) -> list[dict[str, Any]]:
    """The official files of a dataset, for people and scripts."""
    keys = ("filename", "url", "summary", "size", "sha256", "md5", "into", "login")
    return [{key: getattr(d, key) for key in keys} for d in info.downloads]


def is_there(root: Path, wanted: Download, entry: dict[str, Any] | None) -> bool:
    """Whether a file was fetched, and as many files and bytes as it brought are still there; reads no content."""
    if entry is None or wanted.sha256 not in (None, entry["sha256"]):
        return False
    if not wanted.extract:
        path = root / wanted.into / wanted.filename
        return path.is_file() and path.stat().st_size == entry["size"]
    for folder, expected in entry.get("folders", {}).items():
        place = root / entry.get("into", "") / folder
        found = [file for file in os.scandir(place) if file.name not in OWN] if place.is_dir() else []
        sizes = [file.stat().st_size for file in found if file.is_file()]
        if len(sizes) < expected["files"] or sum(sizes) < expected["bytes"]:
            return False
    return bool(entry.get("extracted"))


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """What was fetched, by file name; empty where nothing was. Raises UserError for a file of another origin."""
    try:
        files: dict[str, dict[str, Any]] = read_json(path)["files"]
        if all(_is_entry(entry) for entry in files.values()):
            return files
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise UserError(
        f"'{path}' is not what 'bench data download' wrote. Move it away; what lies beside it is then checked against "
        "what is fetched again."
    )


def _is_entry(entry: dict[str, Any]) -> bool:
    folders = entry.get("folders", {}).values()
    return (
        isinstance(entry["sha256"], str)
        and isinstance(entry["size"], int)
        and isinstance(entry.get("into", ""), str)
        and all(isinstance(folder[key], int) for folder in folders for key in ("files", "bytes"))
    )


def write_manifest(path: Path, files: dict[str, dict[str, Any]]) -> None:
    """Write it atomically. Raises UserError where the disk is full or may not be written to."""
    try:
        write_text(path, json.dumps({"schema_version": 1, "files": files}, indent=1) + "\n")
    except OSError as error:
        raise disk_error(error, path) from error


def summary(
    info: DatasetInfo,
    root: Path,
    chosen: Sequence[Download],
    record: dict[str, dict[str, Any]],
    fetched: set[str],
    reporter: Reporter,
) -> dict[str, Any]:
    """What a script wants to know afterwards."""
    files = [
        {
            "filename": d.filename,
            "url": d.url,
            "state": "fetched" if d.filename in fetched else "already there",
            "size": record[d.filename]["size"],
            "sha256": record[d.filename]["sha256"],
            "n_files": sum(f["files"] for f in record[d.filename].get("folders", {}).values()),
        }
        for d in chosen
    ]
    complete = all(d.filename in record for d in info.downloads)
    try:
        n: int | None = len(make_dataset(info.name, root).ids("all"))
    except UserError as error:
        n = None
        if complete:
            reporter.warn(f"everything was fetched, but it cannot be read: {error}")
    return {
        "dataset": info.name,
        "root": str(root),
        "files": files,
        "complete": complete,
        "n": n,
        "licence": info.licence,
        "citation": info.citation,
    }
