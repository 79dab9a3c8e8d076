"""`bench report`: what the page holds, that nothing from outside becomes markup, and that a browser can use it."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluated_runs import truth
from PIL import Image
from reported_runs import RECORDS, SCRIPT

import segbench
from commands import Run, printed_json
from segbench.boards.comparable import MAX_TESTED
from segbench.commands.report import ReportRequest, report
from segbench.data.locations import MARKER
from segbench.io.reporter import Reporter
from segbench.report.build import ReportSummary
from segbench.report.html import Html, joined, tag
from segbench.report.table import SHOWN
from synthetic_roots import write_hearts

pytestmark = pytest.mark.slow


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
def text(report_page: ReportSummary) -> str:
    return Path(report_page.page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_what_is_said_of_the_page(report_page: ReportSummary, text: str) -> None:
    assert report_page.runs == 7
    assert report_page.bytes == len(text.encode())
    assert report_page.not_ranked == []
    isbi, medaka = report_page.sections
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


def test_equal_runs_give_equal_bytes(reported: Path, text: str, bench: Run) -> None:
    again = printed_json(
        bench(
            "report", reported / "runs", "--out", reported / "again", "--root", reported / "hearts", "--json", "--quiet"
        )
    )
    assert (reported / "again" / "index.html").read_text(encoding="utf-8") == text
    assert again["page"] == str(reported / "again" / "index.html")
    assert [path.name for path in (reported / "again").iterdir()] == ["index.html"]


def test_what_there_is_to_know_of_the_data_is_said_once(reported: Path, bench: Run) -> None:
    said = bench("report", reported / "runs", "--out", reported / "said", "--root", reported / "hearts").stderr
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


def test_other_images_than_those_that_were_scored_are_not_shown(reported: Path, tmp_path: Path) -> None:
    other = write_hearts(tmp_path / "hearts", sequences=2, frames=15)
    for mask in (other / "test_images" / "lateral_mask").iterdir():
        shutil.copy(reported / "hearts" / "test_images" / "lateral_mask" / "0050_mask.tif", mask)
    (other / MARKER).write_text("{}")
    found = report(ReportRequest((reported / "runs" / "shift-5",), tmp_path / "page", other), Reporter(quiet=True))
    assert found.sections[0].overlays is False
    assert "do not belong together" in (tmp_path / "page" / "index.html").read_text()


def test_many_runs_are_ranked_by_the_score_alone(long_page: Path) -> None:
    text = long_page.read_text(encoding="utf-8")
    assert f"too many to test pair by pair (more than {MAX_TESTED})" in text
    assert len(Page(text).all("tr", data_family="learned")) == SHOWN + 50
    first, last = (text.index(f">m{k}</th>") for k in (0, SHOWN + 49))
    assert first < text.index("<template>") < last < text.index("</template>")


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
