"""Pages of the site for people who do not see them, or use no mouse: axe-core finds nothing on home and a board."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import chromium, seen_as, violations

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 360])
@pytest.mark.parametrize("page", ["index.html", "leaderboards/isbi2012.html"])
def test_axe_finds_nothing(site: Path, browser: Any, page: str, width: int, scheme: str) -> None:
    with seen_as(browser, width, scheme):
        browser.get((site / page).as_uri())
        browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
        assert violations(browser) == []


def test_a_table_that_scrolls_is_reached_by_keyboard_and_named(site: Path, browser: Any) -> None:
    script = (
        "return [...document.querySelectorAll('.md-typeset__scrollwrap')]"
        ".map(e => [e.scrollWidth > e.clientWidth, e.tabIndex === 0, e.getAttribute('aria-label') || ''])"
    )
    seen = {}
    for width in (360, 1400):
        with seen_as(browser, width, "light"):
            browser.get((site / "leaderboards/isbi2012.html").as_uri())
            seen[width] = browser.execute_script(script)
    assert any(scrolls for scrolls, _, _ in seen[360])
    for scrolls, reached, name in [*seen[360], *seen[1400]]:
        assert reached == scrolls
        assert name.startswith("Table: ") == scrolls
