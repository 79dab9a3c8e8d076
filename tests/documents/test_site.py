"""The site: built without a warning, complete, and readable without a network."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from places import ROOT
from segbench.commands.describe import describe
from segbench.registry import datasets, methods, metrics
from segbench.runs.record import Record

pytestmark = pytest.mark.slow
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*?\bsrc=\"([^\"]+)\"|<link\b[^>]*?\bhref=\"([^\"]+)\"")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_every_page_of_the_folder_is_reached_from_the_navigation(site: Path) -> None:
    home = text_of(site / "index.html")
    for page in (ROOT / "docs").rglob("*.md"):
        address = page.relative_to(ROOT / "docs").as_posix().replace("README.md", "index.md")
        assert address == "index.md" or f'href="{address[:-3]}.html"' in home, address


def test_every_table_is_a_table(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not re.search(r"^(<p>)?\| .* \|", text_of(page), re.MULTILINE), page


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loaded = [one or other for one, other in LOADED.findall(text_of(page))]
        assert loaded
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)], page
    styles = "".join(text_of(path) for path in site.rglob("*.css"))
    assert not re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", styles)


def test_the_reference_names_all_that_there_is(site: Path) -> None:
    settings, options, scores = (text_of(site / f"reference/{name}.html") for name in ("settings", "options", "scores"))
    assert all(f"<code>{html.escape(describe(name).name, quote=False)}</code>" in settings for name in methods())
    assert all(f"<code>{name}</code>" in options for name in datasets())
    assert all(f"<code>{name}</code>" in scores for name in metrics())
    record = text_of(site / "reference/record.html")
    assert all(f"<code>{name}</code>" in record for name in Record.model_fields)
    assert "--train-fraction" in text_of(site / "reference/cli.html")
    assert "num_classes" in text_of(site / "reference/python.html")
    assert "check_method" in text_of(site / "reference/plugins.html")


def test_the_search_knows_the_reference_and_works_from_files(site: Path) -> None:
    assert "train-fraction" in text_of(site / "search" / "search_index.js")
    assert "site/iframe-worker.js" in text_of(site / "index.html")


def test_a_number_in_a_table_keeps_to_one_line(site: Path) -> None:
    """With its interval, its unit and its two ranks; a spread over seeds may go into the next line."""
    results, board = text_of(site / "results.html"), text_of(site / "leaderboards/isbi2012.html")
    assert '<td><span class="whole">0.9812 [0.9727, 0.9896]</span></td>' in results
    assert '<td><span class="whole">0.815 [0.807, 0.824]</span> <span class="whole">± 0.005</span></td>' in results
    assert re.search(r'<td><span class="whole">\d+–\d+</span></td>', board)
    assert re.search(r'<td><span class="whole">[\d.]+ min \(\d+ %\)</span></td>', board)
    assert not re.search(r"<td>[^<]*\d \[[\d.]+, [\d.]+\]", results + board)
    assert ".whole { white-space: nowrap; }" in text_of(site / "site/style.css")
