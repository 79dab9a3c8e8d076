"""Print how quickly a board of many runs is built and used: python tests/speed/report.py [runs].

Records are copies of a committed one with made-up scores. The times in the browser need Chromium and Selenium.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from segbench.commands.report import ReportRequest, report
from segbench.io.reporter import Reporter

RECORD = Path(__file__).parents[2] / "leaderboards" / "records" / "isbi2012-unet-0b805e1a" / "record.json"

# A sort or a filter is over when the next frame is painted.
TIMED = """
const done = arguments[arguments.length - 1];
const button = [...document.querySelectorAll('thead button')].find((b) => b.textContent === arguments[0]);
const start = performance.now();
button.click();
requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
"""


def write_records(folder: Path, count: int) -> None:
    """Runs of 100 methods with random scores and costs."""
    chance = random.Random(0)
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    for k in range(count):
        record["run_id"] = f"isbi2012-m{k % 100}-{k:08x}"
        record["method"] |= {"name": f"m{k % 100}", "family": chance.choice(("classical", "learned")), "seed": k}
        for score in record["scores"].values():
            value = chance.random()
            score |= {"value": value, "low": value - 0.01, "high": value + 0.01}
        record["cost"] |= {"train_s": chance.lognormvariate(4, 2), "predict_ms_per_image": chance.lognormvariate(4, 2)}
        place = folder / record["run_id"]
        place.mkdir(parents=True)
        (place / "record.json").write_text(json.dumps(record), encoding="utf-8")


def use(page: Path) -> None:
    """Open the page, sort and filter, and print how long each took."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        print("no Chromium with its driver: nothing was measured in a browser")
        return
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        start = time.perf_counter()
        browser.get(page.absolute().as_uri())
        print(f"open: {time.perf_counter() - start:.2f} s")
        for name in ("v_rand", "method", "fit s", "run"):
            print(f"sort by {name}: {browser.execute_async_script(TIMED, name):.0f} ms")
        start = time.perf_counter()
        browser.find_element("css selector", ".find").send_keys("m42 classical")
        while " of " not in browser.find_element("css selector", ".count").text:
            time.sleep(0.01)
        shown = browser.find_element("css selector", ".count").text
        print(f"filter: {time.perf_counter() - start:.2f} s with typing 13 letters ({shown})")
    finally:
        browser.quit()


def main() -> None:
    """Build, then use."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_records(folder / "runs", count)
        start, processor = time.perf_counter(), time.process_time()
        made = report(ReportRequest((folder / "runs",), folder / "page"), Reporter(quiet=True))
        took, busy = time.perf_counter() - start, time.process_time() - processor
        print(f"{count} runs: built in {took:.1f} s ({busy:.1f} s of processor), {made.bytes / 1e6:.1f} MB")
        use(Path(made.page))


if __name__ == "__main__":
    main()
