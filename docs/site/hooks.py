"""What the site has beside the pages of this folder: its navigation, pages that are generated, and links that work.

Called by MkDocs (`hooks` in mkdocs.yml). Pages that no section names are placed last among the how-to guides, so a new
page in docs/ needs no entry here.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import notebook_page
import reference

ROOT = Path(__file__).resolve().parents[2]
GUIDES = "How-to guides"
SECTIONS: dict[str, tuple[str, ...]] = {
    "Learn": ("start.md", "tutorial.md", "notebook.md"),
    GUIDES: (
        *(
            "predictions.md",
            "doctor.md",
            "import.md",
            "own-model.md",
            "existing-models.md",
            "hearts.md",
            "python.md",
            "integrations.md",
        ),
        *("suites.md", "cluster.md", "ci.md", "submit.md", "paper.md", "plan.md", "robustness.md"),
    ),
    "Explanation": (
        "metrics.md",
        "questions.md",
        "statistics.md",
        "calibration.md",
        "trust.md",
        "compiled.md",
        "speed.md",
    ),
    "Results": (
        *("leaderboards/README.md", "results.md", "learned.md", "people.md", "ablation.md", "imbalance.md"),
        "worked-examples.md",
    ),
    "Reference": ("data.md", "methods.md", "pictures.md", "schemas/README.md"),
    "Project": ("contributing.md", "changelog.md", "compatibility.md", "security.md", "cite.md"),
}
"""Pages of each section, in order; those that do not exist are left out."""
FROM_THE_ROOT = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}
"""Files of the repository that are pages too, with their address in the site."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")

CELL = re.compile(r"(<td[^>]*>)(.*?)(?=</td>)", re.DOTALL)
NUMBER = re.compile(r"(?!.*\], )[(\[<≥~+-]?\d[\d.,:/()\[\]%–±+ -]*(?:[^\W\d_]{1,8}[\d.,()\[\]%–±+ -]*){0,2}")
"""A cell that is a number, perhaps with an interval, a spread over seeds and a unit of one word or two."""
BREAK = '</span> <span class="whole">'
INTERVAL = re.compile(r"-?\d[\d.]* \[-?[\d.]+, -?[\d.]+\]")

MARKED = re.compile(r"(<td[^>]*>[●■◆✚▲]) ")
"""The mark of a family before the name of a method."""
OPTION = re.compile(r"<code>(--[^<]{1,32})</code>")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation, from the pages that there are."""
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    generated = {*FROM_THE_ROOT.values(), "notebook.md", *(f"leaderboards/{path.name}" for path in _boards())}
    named = {page for section in SECTIONS.values() for page in section} | {"index.md"}
    nav: list[Any] = [{"Home": "index.md"}]
    for section, listed in SECTIONS.items():
        shown: list[Any] = [page for page in listed if page in pages | generated]
        if section == GUIDES:
            shown += sorted(pages - named)
        if section == "Reference":
            shown += reference.nav()
        if section == "Results":
            shown[1:1] = sorted(f"leaderboards/{path.name}" for path in _boards() if path.name != "README.md")
        nav.append({section: shown})
    config.nav = nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add files of the repository that are pages too, and the reference."""
    for name, address in FROM_THE_ROOT.items():
        files.append(File.generated(config, address, abs_src_path=str(ROOT / name)))
    for path in (*_boards(), *(ROOT / "leaderboards").glob("*.svg")):
        files.append(File.generated(config, f"leaderboards/{path.name}", abs_src_path=str(path)))
    for address, content in {**reference.pages(), **notebook_page.pages(ROOT / "docs" / "notebook.ipynb")}.items():
        files.append(File.generated(config, address, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links between files of the repository as links between pages; what is no page is named without a link."""
    del config
    address = page.file.src_uri
    if address == "index.md":
        markdown = markdown.replace("<!-- reference -->", f" · {reference.links()}")
        page.meta["hide"] = ["navigation", "toc"]
    if address.startswith("reference/"):
        return markdown
    markdown = markdown.replace("<details>", '<details markdown="1">')  # or tables inside stay text
    markdown = markdown.replace("(docs/statistics.md)", "([statistics](../docs/statistics.md))")  # as boards name it
    here = _place(address)

    def rewritten(found: re.Match[str]) -> str:
        picture, text, target = found.groups()
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith(("#", "mailto:")):
            return found[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
        to = _address(place)
        if files.get_file_from_path(to) is not None:
            relative = posixpath.relpath(to, posixpath.dirname(address) or ".")
            return f"{picture}[{text}]({relative}{'#' * bool(anchor)}{anchor})"
        return text if (ROOT / place).exists() else found[0]

    return LINK.sub(rewritten, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A number in a table stays in one line with its interval and unit, and an option with its dashes.

    A spread over seeds may go into the next line.
    """
    del page, config, files

    def unbroken(found: re.Match[str]) -> str:
        start, text = found.groups()
        if NUMBER.fullmatch(text):
            return f'{start}<span class="whole">{text.replace(" ±", BREAK + "±")}</span>'
        return start + INTERVAL.sub(r'<span class="whole">\g<0></span>', text)

    html = MARKED.sub("\\1&nbsp;", CELL.sub(unbroken, html))
    return OPTION.sub(r'<code class="whole">\1</code>', html)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """The theme's dialog of the search has no name that a screen reader could say."""
    del page, config
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


def _place(address: str) -> str:
    """Where in the repository a page of the site is written."""
    origin = {page: name for name, page in FROM_THE_ROOT.items()}
    if address in origin:
        return origin[address]
    return address if address.startswith("leaderboards/") else f"docs/{address}"


def _address(place: str) -> str:
    """The address in the site of a file of the repository."""
    if place in FROM_THE_ROOT:
        return FROM_THE_ROOT[place]
    path = PurePosixPath(place)
    if path == PurePosixPath("docs/notebook.ipynb"):
        return "notebook.md"
    if path == PurePosixPath("README.md"):
        return "index.md"
    return path.relative_to("docs").as_posix() if path.is_relative_to("docs") else place


def _boards() -> list[Path]:
    return sorted((ROOT / "leaderboards").glob("*.md"), key=lambda path: os.path.normcase(path.name))
