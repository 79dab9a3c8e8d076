"""`bench report`: what the page holds, that nothing from outside becomes markup, and that a browser can use it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsers import chromium
from evaluated_runs import truth
from PIL import Image

import segbench
from commands import Run, printed_json
from places import ROOT
from segbench.boards.comparable import MAX_TESTED
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.report import ReportRequest, report
from segbench.data.locations import MARKER
from segbench.datasets.isbi2012 import ISBI2012
from segbench.datasets.voc2012 import VOC2012
from segbench.io.reporter import Reporter
from segbench.metrics.partition import Partition
from segbench.predictions.find import write_prediction
from segbench.registry import make_dataset
from segbench.report.build import ReportSummary
from segbench.report.figures.classes import class_ious, classes, matrix_of
from segbench.report.figures.partition import threshold_scores
from segbench.report.figures.runs import front
from segbench.report.html import Html, joined, tag
from segbench.report.overlays import FALSE_NEGATIVE, FALSE_POSITIVE, ONE, OTHER, disagreement, errors, paint
from segbench.report.sections import Entry, Section
from segbench.report.table import SHOWN
from segbench.runs.stored import open_run
from segbench.types import Prediction, Sample
from synthetic_roots import write_hearts

pytestmark = pytest.mark.slow

RECORDS = ROOT / "leaderboards" / "records"
SCRIPT = "<script>alert(1)</script>"
NAMES = ("unet-0b805e1a", "fcn-9770c3aa", "threshold-146d703e", "canny-e3c52ecd", "constant-14779940")
QUIET = Reporter(quiet=True)


class Page(HTMLParser):
    """The elements of a page with their attributes and texts."""

    VOID = frozenset({"meta", "link", "img", "input", "col"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.append((self._open[-1], data))

    def all(self, name: str, **attributes: str) -> list[dict[str, str | None]]:
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [a for t, a in self.tags if t == name and all(a.get(k) == v for k, v in wanted.items())]

    def text(self, name: str) -> list[str]:
        return [text for parent, text in self.texts if parent == name]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two datasets: five committed ones without predictions, two SYNTHETIC ones with them."""
    folder = tmp_path_factory.mktemp("report")
    for name in NAMES:
        shutil.copytree(RECORDS / f"isbi2012-{name}", folder / "runs" / f"isbi2012-{name}")
    root = write_hearts(folder / "hearts", sequences=2, frames=14)
    (root / MARKER).write_text("{}")
    dataset = make_dataset("medaka", root, {"view": "lateral"})
    for name, shift in ((SCRIPT, 1), ("shifted", 5)):
        predictions = folder / "predictions" / str(shift)
        for sample_id in dataset.ids("test"):
            labels = np.asarray(dataset.load(sample_id, ("labels",)).labels)
            write_prediction(predictions, sample_id, Prediction(labels=np.roll(labels, shift, axis=1)), dataset.info)
        evaluate_files(
            EvaluateRequest(
                "medaka",
                predictions,
                name,
                "test",
                root,
                out=folder / "runs" / f"shift-{shift}",
                workers=0,
                settings={"view": "lateral"},
                save_predictions=True,
                plots=False,
            ),
            QUIET,
        )
    return folder


@pytest.fixture(scope="module")
def made(runs: Path) -> ReportSummary:
    return report(ReportRequest((runs / "runs",), runs / "page", runs / "hearts"), QUIET)


@pytest.fixture(scope="module")
def text(made: ReportSummary) -> str:
    return Path(made.page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_what_is_said_of_the_page(made: ReportSummary, text: str) -> None:
    assert made.runs == 7
    assert made.bytes == len(text.encode())
    assert made.not_ranked == []
    isbi, medaka = made.sections
    assert isbi.model_dump() == {
        **{"dataset": "isbi2012", "origin": "real", "split": "test", "runs": 5, "compared": True},
        **{"figures": 6, "overlays": False},
    }
    assert (medaka.origin, medaka.compared, medaka.overlays) == ("synthetic", True, True)
    assert medaka.figures == 3 + 2 * 5
    assert "the one whose ejection fraction lies nearest to their median" in text


def test_boards_hold_every_run_once_in_order(page: Page) -> None:
    assert len(page.all("table", id="board-0")) == 1
    assert len(page.all("tr", data_family="external")) == 2
    methods = [text for text in page.text("th") if text in ("unet", "fcn", "threshold", "canny", "constant")]
    assert methods[:5] == ["unet", "fcn", "threshold", "canny", "constant"]
    heads = [a for a in page.all("th", scope="col") if "aria-sort" in a]
    assert {a["aria-sort"] for a in heads} == {"ascending", "none"}
    assert {"rank", "method", "v_rand", "dice", "family", "labels", "fit s", "commit"} <= set(page.text("button"))
    assert len(page.all("svg", class_="whisker")) == 7


def test_synthetic_data_is_called_so(page: Page, text: str) -> None:
    assert len(page.all("small", class_="synthetic")) == 2
    assert len(page.all("p", class_="synthetic")) == 1
    assert "medaka (SYNTHETIC data), split test" in text


def test_pictures_have_alternative_texts_and_ids_are_unique(page: Page) -> None:
    images = page.all("img")
    assert len(images) == 6 + 3 + 2 * 5 + 1 + 1 + 1  # the last: slices and causes of errors of runs with predictions
    assert all(len(a["alt"] or "") > 20 for a in images)
    assert any("Medians: unet 0.98" in (a["alt"] or "") for a in images)
    shown = [a for a in page.all("svg") if a.get("aria-hidden") != "true"]
    assert len(shown) >= 20
    assert all(a.get("role") == "img" and a.get("aria-label") for a in shown)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {(a["href"] or "")[1:] for a in page.all("use")} <= set(ids)
    assert all(a.get("aria-label") for a in page.all("input", type="range"))


def drawings(page: Page) -> list[str]:
    """The figures that are drawn, as SVG text; those that are photographs are PNG."""
    sources = [a["src"] or "" for a in page.all("img")]
    kinds = {"data:image/svg+xml;base64", "data:image/png;base64"}
    assert {source.partition(",")[0] for source in sources} <= kinds
    return [base64.b64decode(s.partition(",")[2]).decode() for s in sources if s.startswith("data:image/svg")]


def test_nothing_from_outside_becomes_markup(page: Page, text: str) -> None:
    assert SCRIPT not in text
    assert html.escape(SCRIPT) in text
    assert len(page.all("script")) == 1
    # A figure holds the name too, as text.
    figures = drawings(page)
    assert any("&lt;script&gt;alert(1)" in figure for figure in figures)
    assert not any("<script" in figure for figure in figures)
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]


def test_markup_is_escaped_unless_it_was_made_here() -> None:
    assert tag("p", SCRIPT, title='"><i>') == f'<p title="&quot;&gt;&lt;i&gt;">{html.escape(SCRIPT)}</p>'
    assert joined("<", Html("<b></b>"), None, ["&", [tag("i")]]) == "&lt;<b></b>&amp;<i></i>"
    assert joined("a\x00\u202eb") == "a\ufffd\ufffdb"
    assert tag("input", type="text", hidden=True, title=None) == '<input type="text" hidden>'


def test_the_page_loads_nothing_from_elsewhere(page: Page) -> None:
    for name, attributes in page.tags:
        for key in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:", "#")), (name, key, value)
    for svg in drawings(page):
        addresses = set(re.findall(r"https?://[^\"' <]+", svg))
        assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    style, script = page.text("style"), page.text("script")
    assert "url(" not in style[0]
    assert "@import" not in style[0]
    policy = page.all("meta", http_equiv="Content-Security-Policy")[0]["content"] or ""
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for (content,), name in ((style, "style-src"), (script, "script-src")):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}';" in policy


def test_equal_runs_give_equal_bytes(runs: Path, text: str, bench: Run) -> None:
    again = printed_json(
        bench("report", runs / "runs", "--out", runs / "again", "--root", runs / "hearts", "--json", "--quiet")
    )
    assert (runs / "again" / "index.html").read_text(encoding="utf-8") == text
    assert again["page"] == str(runs / "again" / "index.html")
    assert [path.name for path in (runs / "again").iterdir()] == ["index.html"]


def test_what_there_is_to_know_of_the_data_is_said_once(runs: Path, bench: Run) -> None:
    said = bench("report", runs / "runs", "--out", runs / "said", "--root", runs / "hearts").stderr
    assert said.count("warning: SYNTHETIC data") == 1


def test_a_foreign_folder_is_left_alone(bench: Run, tmp_path: Path) -> None:
    run = RECORDS / "isbi2012-canny-e3c52ecd"
    out = tmp_path / "out"
    out.mkdir()
    (out / "index.html").write_text("<title>mine</title>")
    done = bench("report", run, "--out", out)
    assert (done.returncode, (out / "index.html").read_text()) == (2, "<title>mine</title>")
    assert "holds no page of 'bench report'" in done.stderr
    (out / "index.html").unlink()
    (out / "notes.txt").write_text("mine")
    assert bench("report", run, "--out", out).returncode == 2
    (out / "notes.txt").unlink()
    done = bench("report", run, "--out", out, "--quiet")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r".*index\.html: 1 run, 0\.\d MB\n", done.stdout)
    assert bench("report", run, "--out", out, "--quiet").returncode == 0
    assert bench("report", run, "--out", out / "index.html").returncode == 2
    assert bench("report", tmp_path / "none", "--out", tmp_path / "x").returncode == 2


def test_how_to_get_overlays_is_said(text: str) -> None:
    assert text.count("bench run … --save-predictions") == 1


def test_other_images_than_those_that_were_scored_are_not_shown(runs: Path, tmp_path: Path) -> None:
    other = write_hearts(tmp_path / "hearts", sequences=2, frames=15)
    for mask in (other / "test_images" / "lateral_mask").iterdir():
        shutil.copy(runs / "hearts" / "test_images" / "lateral_mask" / "0050_mask.tif", mask)
    (other / MARKER).write_text("{}")
    found = report(ReportRequest((runs / "runs" / "shift-5",), tmp_path / "page", other), Reporter(quiet=True))
    assert found.sections[0].overlays is False
    assert "do not belong together" in (tmp_path / "page" / "index.html").read_text()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of more runs than are tested against each other, or laid out at once."""
    folder = tmp_path_factory.mktemp("many")
    write_many(folder / "runs", SHOWN + 50)
    found = report(ReportRequest((folder / "runs",), folder / "page"), QUIET)
    assert [(section.runs, section.compared) for section in found.sections] == [(SHOWN + 50, False)]
    return Path(found.page)


def test_many_runs_are_ranked_by_the_score_alone(many: Path) -> None:
    text = many.read_text(encoding="utf-8")
    assert f"too many to test pair by pair (more than {MAX_TESTED})" in text
    assert len(Page(text).all("tr", data_family="learned")) == SHOWN + 50
    first, last = (text.index(f">m{k}</th>") for k in (0, SHOWN + 49))
    assert first < text.index("<template>") < last < text.index("</template>")


def write_many(folder: Path, count: int) -> None:
    """Records of made-up scores, from best to worst, beside the statistics of one run."""
    source = RECORDS / "isbi2012-unet-0b805e1a"
    record = json.loads((source / "record.json").read_text())
    for k in range(count):
        value = 1 - k / count
        record["run_id"] = f"isbi2012-m{k}-{k:08x}"
        record["method"]["name"] = f"m{k}"
        record["scores"]["v_rand"] |= {"value": value, "low": value - 0.01, "high": value + 0.01}
        record["cost"]["predict_ms_per_image"] = 1.0 + k
        (folder / f"m{k}").mkdir(parents=True)
        (folder / f"m{k}" / "record.json").write_text(json.dumps(record))
        shutil.copy(source / "statistics.parquet", folder / f"m{k}")


def entry(name: str) -> Entry:
    run = open_run(RECORDS / f"isbi2012-{name}")
    return Entry(run.folder, run.record, name, 1, 1, run.info, run.metrics, run.statistics)


def test_the_threshold_curve_peaks_at_the_scores() -> None:
    for name in NAMES:
        run = entry(name)
        curve = threshold_scores(run.of(Partition()))
        assert curve.shape == (11, 7)
        assert curve[:, 1].max() == pytest.approx(run.record.scores["v_rand"].value, abs=1e-12)
        assert curve[:, 4].max() == pytest.approx(run.record.scores["v_info"].value, abs=1e-12)
        assert ((curve[:, 1:] >= 0) & (curve[:, 1:] <= 1 + 1e-12)).all()


def test_split_and_merge_scores_say_which_is_which() -> None:
    truth = np.zeros((8, 17), np.uint8)
    truth[:, :8] = truth[:, 9:] = 1
    merged, cut = np.ones_like(truth), truth.copy()
    cut[:, 4] = 0
    curves = []
    for labels in (merged, cut):
        sample = Sample("s-00", "s", 0, labels=truth)
        curves.append(threshold_scores([Partition().measure(sample, Prediction(labels=labels), ISBI2012.info)])[0])
    # Two true cells of 64 pixels as one of 128: S_A = S_AB = 2 * 64^2, S_B = 128^2.
    assert curves[0][2:4].tolist() == [1.0, 0.5]
    assert curves[1][3] == 1.0
    assert curves[1][2] < 0.7


def test_classes_and_confusion_are_those_of_the_record() -> None:
    run = entry("unet-0b805e1a")
    found = class_ious(run)
    assert list(found) == list(run.record.per_class)
    for name, (value, low, high) in found.items():
        assert value == pytest.approx(run.record.per_class[name]["iou"], abs=1e-15)
        assert value is not None
        assert low < value < high
    low, high = found["cell"][1:]
    score = run.record.scores["iou_foreground"]
    assert (low, high) == pytest.approx((score.low, score.high), abs=1e-12)
    matrix = matrix_of(run)
    assert matrix is not None
    recall = [run.record.per_class[name]["accuracy"] for name in found]
    assert (np.diag(matrix) / matrix.sum(axis=1)).tolist() == pytest.approx(recall)


def test_a_class_that_one_record_lacks_is_drawn_for_the_others() -> None:
    whole, part = entry("unet-0b805e1a"), entry("threshold-146d703e")
    part.record.per_class.pop("cell")
    drawing = classes(Section("s", "t", "n", synthetic=False, entries=(whole, part)))
    assert drawing is not None
    assert "IoU of 2 classes for 2 runs" in drawing.alt


def test_the_front_is_what_nothing_dominates() -> None:
    points = [(1.0, 5.0), (2.0, 3.0), (2.0, 4.0), (3.0, 3.0), (1.0, 5.0), (0.0, 9.0)]
    by_definition = [not any(o != p and o[0] <= p[0] and o[1] <= p[1] for o in points) for p in points]
    assert front(points) == by_definition
    assert front([]) == []


def test_errors_have_the_colours_of_the_key() -> None:
    info = ISBI2012.info
    truth, one, other = np.array([[1, 1, 0, 0]]), np.array([[1, 0, 1, 0]]), np.array([[0, 0, 0, 0]])
    clear = [0, 0, 0, 0]
    assert errors(truth, one, info)[0].tolist() == [clear, [*FALSE_NEGATIVE, 255], [*FALSE_POSITIVE, 255], clear]
    assert disagreement(truth, one, other, info)[0].tolist() == [[*ONE, 255], clear, [*OTHER, 255], clear]
    assert paint(truth, info)[0, :, 3].tolist() == [255, 255, 0, 0]


def test_several_classes_and_void() -> None:
    info = VOC2012.info
    truth, found = np.array([[0, 1, 2, 255, 2]]), np.array([[1, 0, 1, 1, 2]])
    layer = errors(truth, found, info)[0]
    assert layer[0, :3].tolist() == list(FALSE_POSITIVE)
    assert layer[1, :3].tolist() == list(FALSE_NEGATIVE)
    assert layer[2, :3].tolist() not in (list(FALSE_POSITIVE), list(FALSE_NEGATIVE))
    assert layer[3, 3] == 120
    assert layer[4, 3] == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Any, made: ReportSummary) -> Any:
    """The page as a person opens it, from a file; whatever the browser complained of fails the test."""
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(Path(made.page).absolute().as_uri())
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


def test_rows_that_wait_are_sorted_filtered_and_shown(browser: Any, many: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(many.absolute().as_uri())
    assert len(rows(browser)) == SHOWN
    # The worst of all waits in the template.
    head(browser, "v_rand").click()
    head(browser, "v_rand").click()
    assert rows(browser)[0] == f"m{SHOWN + 49}"
    browser.find_element("css selector", ".more").click()
    assert len(rows(browser)) == SHOWN + 50
    browser.find_element("css selector", ".find").send_keys(f"m{SHOWN + 40}-")
    WebDriverWait(browser, 10).until(lambda _: rows(browser) == [f"m{SHOWN + 40}"])


def own_run(root: Path, out: Path, number: int) -> segbench.Run:
    """A run that kept its predictions, on four masks that are moved by some pixels."""
    for mask in (truth(root, 4) / "masks").iterdir():
        Image.fromarray(np.roll(np.asarray(Image.open(mask)), 3 * number, axis=1)).save(mask)
    how: Any = {"folds": 2, "save_predictions": True, "plots": False, "progress": False}
    return segbench.run("folder", "constant", root=root, out=out, **how)


def test_every_run_is_shown_on_its_own_images(bench: Run, tmp_path: Path) -> None:
    """Folders of one's own, two of them of one name and with the same file names."""
    places = [tmp_path / "here" / "mine", tmp_path / "there" / "mine", tmp_path / "other"]
    made = [own_run(place, tmp_path / "runs" / str(number), number) for number, place in enumerate(places)]
    assert len({run.record.dataset.data_sha256 for run in made}) == 3
    assert [run.record.root for run in made] == places
    # Where a folder is named that holds one of them, the others are still found.
    for more in ((), ("--root", places[2])):
        found = printed_json(bench("report", tmp_path / "runs", "--out", "page", "--json", *more))
        assert [section["overlays"] for section in found["sections"]] == [True, True, True], more
    moved_to = tmp_path / "elsewhere" / places[2].name
    moved_to.parent.mkdir()
    places[2].rename(moved_to)
    gone = bench("report", made[2].folder, "--out", "gone")
    assert f"no overlays of folder: its data was below '{places[2]}', which is no folder here" in gone.stderr
    moved = bench("report", made[2].folder, "--out", "moved page", "--root", moved_to)
    assert "no overlays" not in moved.stderr
