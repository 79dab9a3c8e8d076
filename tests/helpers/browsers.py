"""Headless Chromium, and what axe-core says of the page that it shows."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")


@contextmanager
def chromium() -> Iterator[Any]:
    """Headless Chromium, driven by Selenium; a test that asks for it is skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="Selenium is not installed: pip install selenium")
    from selenium.webdriver.chrome.service import Service

    names = ("chromium", "chromium-browser", "google-chrome")
    binary = next((path for name in names if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield started
    finally:
        started.quit()


@contextmanager
def seen_as(browser: Any, width: int, scheme: str) -> Iterator[None]:
    """The page on a screen of this width, in a light or a dark system."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def violations(browser: Any) -> list[str]:
    """The rules of WCAG 2.1 (A and AA) and of good practice that the page breaks, each with its first element.

    The script goes in through the debugger, as the policy of a page lets in none but its own.
    """
    package = importlib.util.find_spec("axe_core_python")
    assert package is not None, "axe-core is not installed: pip install axe-core-python"
    assert package.origin is not None
    source = (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": source})
    browser.set_script_timeout(120)
    found = browser.execute_async_script(
        "axe.run(document, {runOnly: arguments[0], resultTypes: ['violations']}).then("
        "r => arguments[1](r.violations.map(v => `${v.id}: ${v.help}: ${v.nodes[0].html.slice(0, 200)}`)))",
        list(WCAG),
    )
    return list(found)
