"""The page `bench report` in a browser: sorting, filters, overlays, small and dark screens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import chromium
from reported_runs import SCRIPT

from segbench.report.build import ReportSummary
from segbench.report.table import SHOWN

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Any, report_page: ReportSummary) -> Any:
    """The page as a person opens it, from a file; whatever the browser complained of fails the test."""
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(Path(report_page.page).absolute().as_uri())
    assert browser.execute_script("return document.documentElement.classList.contains('ready')")
    yield browser
    assert browser.get_log("browser") == []


def rows(browser: Any, board: str = "board-0", column: int = 1) -> list[str]:
    script = (
        "return [...document.getElementById(arguments[0]).tBodies[0].rows].map(r => r.cells[arguments[1]].textContent)"
    )
    found: list[str] = browser.execute_script(script, board, column)
    return found


def head(browser: Any, name: str) -> Any:
    script = "return [...document.querySelectorAll('#board-0 thead button')].find(b => b.textContent === arguments[0])"
    return browser.execute_script(script, name)


def test_the_browser_asks_for_nothing_and_runs_no_foreign_script(opened: Any) -> None:
    events = [json.loads(line["message"])["message"] for line in opened.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1
    assert SCRIPT in "".join(rows(opened, "board-1"))
    broken = "return [...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert opened.execute_script(broken) == 0


def test_columns_sort_by_mouse_and_keyboard(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    best_first = ["unet", "fcn", "threshold", "canny", "constant"]
    assert rows(opened) == best_first
    button = head(opened, "v_rand")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    assert rows(opened) == best_first
    button.send_keys(Keys.ENTER)
    assert rows(opened) == best_first[::-1]
    sorts = "return [...document.querySelectorAll('#board-0 thead th')].map(t => t.getAttribute('aria-sort'))"
    assert opened.execute_script(sorts).count("ascending") == 1
    head(opened, "method").send_keys(Keys.SPACE)
    assert rows(opened) == sorted(best_first)
    # Undefined numbers come last in both directions.
    for _ in range(2):
        head(opened, "GMAC").send_keys(Keys.ENTER)
        assert set(rows(opened)[:2]) == {"unet", "fcn"}


def test_the_filter_leaves_what_matches(opened: Any) -> None:
    from selenium.webdriver.support.ui import Select, WebDriverWait

    wait = WebDriverWait(opened, 10)
    box, family, count = (opened.find_element("css selector", s) for s in (".find", ".family", ".count"))
    assert count.text == "5 runs"
    box.send_keys("THRESH")
    wait.until(lambda _: rows(opened) == ["threshold"])
    assert count.text == "1 of 5 runs"
    box.clear()
    box.send_keys("x" * 20)
    wait.until(lambda _: rows(opened) == [])
    box.clear()
    box.send_keys(" ")
    wait.until(lambda _: len(rows(opened)) == 5)
    Select(family).select_by_value("learned")
    assert rows(opened) == ["unet", "fcn"]


def test_the_slider_fades_the_overlays(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    slider = opened.find_element("css selector", ".overlay input[type=range]")
    opacity = "return getComputedStyle(document.querySelector('.overlay .over')).opacity"
    assert float(opened.execute_script(opacity)) == pytest.approx(0.7)
    slider.send_keys(Keys.HOME)
    assert float(opened.execute_script(opacity)) == 0
    slider.send_keys(Keys.ARROW_RIGHT)
    assert float(opened.execute_script(opacity)) == pytest.approx(0.05)
    assert slider.get_attribute("aria-valuetext") == "overlay at 5 %"
    others = "return [...document.querySelectorAll('.overlay')].map(f => f.style.getPropertyValue('--mix'))"
    assert opened.execute_script(others)[1] == "0.7"


def test_a_phone_needs_no_scrolling_sideways(opened: Any) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert opened.execute_script("return innerWidth") == 390
        assert opened.execute_script("return document.documentElement.scrollWidth") == 390
        board = "const b = document.querySelector('.board .scroll'); return b.scrollWidth > b.clientWidth"
        assert opened.execute_script(board)
        cut = "return [...document.querySelectorAll('.card')].filter(c => c.scrollWidth > c.clientWidth)"
        assert opened.execute_script("return document.querySelectorAll('.card').length") > 4
        wide = opened.execute_script(f"{cut}.map(c => c.parentElement.className)")
        assert set(wide) <= {"wide"}, "whole but for rows of panels, which would be too small to read"
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_is_dark_where_the_system_is(opened: Any) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    seen = {}
    for scheme in ("light", "dark"):
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
        seen[scheme] = [int(part) for part in re.findall(r"\d+", opened.execute_script(ground))[:3]]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert min(seen["light"]) > 200
    assert max(seen["dark"]) < 60


def test_rows_that_wait_are_sorted_filtered_and_shown(browser: Any, long_page: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(long_page.absolute().as_uri())
    assert len(rows(browser)) == SHOWN
    # The worst of all waits in the template.
    head(browser, "v_rand").click()
    head(browser, "v_rand").click()
    assert rows(browser)[0] == f"m{SHOWN + 49}"
    browser.find_element("css selector", ".more").click()
    assert len(rows(browser)) == SHOWN + 50
    browser.find_element("css selector", ".find").send_keys(f"m{SHOWN + 40}-")
    WebDriverWait(browser, 10).until(lambda _: rows(browser) == [f"m{SHOWN + 40}"])
