"""The page for people who do not see it, or use no mouse: axe-core finds nothing, and keys reach everything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsers import chromium, seen_as, violations
from evaluated_runs import evaluated, truth

from places import ROOT
from segbench.commands.report import ReportRequest, report
from segbench.io.reporter import Reporter

pytestmark = pytest.mark.slow

RECORDS = ROOT / "leaderboards" / "records"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of several seeds and label fractions, and two runs with their predictions, seen as overlays."""
    folder = tmp_path_factory.mktemp("page")
    for path in RECORDS.glob("isbi2012-t*"):
        shutil.copytree(path, folder / "runs" / path.name)
    root = truth(folder / "masks", 6)
    for name, wrong in (("first", 0.1), ("second", 0.2)):
        parts = np.linspace(0, wrong, 6).tolist()
        evaluated(root, folder / "runs" / name, parts, name, save_predictions=True)
    report(ReportRequest((folder / "runs",), folder / "page", root), Reporter(quiet=True))
    return folder / "page" / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    browser.get(page.absolute().as_uri())
    assert browser.execute_script("return document.querySelectorAll('.overlay').length") > 0
    return browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 360])
def test_axe_finds_nothing(opened: Any, width: int, scheme: str) -> None:
    with seen_as(opened, width, scheme):
        opened.execute_script(
            "for (const each of document.querySelectorAll('details')) each.open = true;"
            "for (const each of document.querySelectorAll('.seeds')) each.click()"
        )
        assert violations(opened) == []


def test_axe_would_find_something(opened: Any) -> None:
    opened.execute_script(
        "document.querySelector('.find').closest('label').replaceWith(document.querySelector('.find'))"
    )
    opened.execute_script("document.querySelector('.find').placeholder = ''")
    assert [each.partition(":")[0] for each in violations(opened)] == ["label"]


def shown(browser: Any) -> list[str]:
    """The names of the rows that the board with seeds shows."""
    script = (
        "return [...document.querySelectorAll('.board:has(tr.seed) tbody tr')].filter(r => !r.hidden)"
        ".map(r => r.querySelector('th').firstChild.textContent)"
    )
    found: list[str] = browser.execute_script(script)
    return found


def test_seeds_are_one_row_that_the_keyboard_unfolds(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    names = shown(opened)
    assert "seed 0" not in names
    assert len(names) == len(set(names))
    button = opened.find_element("css selector", ".seeds")
    assert button.text.endswith("2 seeds")
    button.send_keys(Keys.ENTER)
    at = next(place for place, (one, other) in enumerate(zip(names, shown(opened), strict=False)) if one != other)
    assert shown(opened) == [*names[:at], "seed 0", "seed 1", *names[at:]]
    assert button.get_attribute("aria-expanded") == "true"
    assert opened.execute_script("return document.activeElement === arguments[0]", button)
    button.send_keys(Keys.SPACE)
    assert shown(opened) == names
    assert button.get_attribute("aria-expanded") == "false"


def test_seeds_stay_below_their_row_when_it_is_sorted_and_filtered(opened: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    row = opened.find_element("css selector", "tr:has(.seeds)")
    name = opened.execute_script("return arguments[0].querySelector('th').firstChild.textContent", row)
    row.find_element("css selector", ".seeds").click()
    head = opened.find_elements("css selector", ".board:has(tr.seed) thead button")[2]
    for _ in range(2):
        head.click()
        names = shown(opened)
        assert names[names.index(name) + 1 :][:2] == ["seed 0", "seed 1"]
    run = opened.execute_script("return arguments[0].nextElementSibling.lastElementChild.textContent", row)
    opened.find_element("css selector", ".board:has(tr.seed) .find").send_keys(run)
    WebDriverWait(opened, 10).until(lambda _: shown(opened) == [name, "seed 0", "seed 1"])
    count = opened.find_element("css selector", ".board:has(tr.seed) .count").text
    assert count.startswith("2 of ")


def test_the_tab_key_reaches_every_control_and_never_gets_stuck(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    wanted = opened.execute_script(
        "window.reached = new Set(); document.addEventListener('focusin', e => window.reached.add(e.target));"
        "return [...document.querySelectorAll('a, button, input, select, summary, [tabindex]')]"
        ".filter(e => e.checkVisibility()).length"
    )
    body = opened.find_element("css selector", "body")
    body.send_keys(Keys.TAB)
    for _ in range(wanted + 5):
        opened.switch_to.active_element.send_keys(Keys.TAB)
    assert opened.execute_script("return window.reached.size") == wanted
