"""Files that no command reads: their versions agree, their actions are pinned, their forms are forms."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import segbench
from places import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
FORMS = sorted(path for path in GITHUB.glob("ISSUE_TEMPLATE/*.yml") if path.name != "config.yml")


def name_of(path: Path) -> str:
    return path.name


def test_the_citation_has_the_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == segbench.__version__


def test_every_requirement_has_a_version_that_was_seen_working() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {re.split(r"[\[<>=; ]", each)[0].lower() for each in wanted} - {"segbench"}
    pins = re.findall(r"^([a-z0-9-]+)==\S+$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert names <= set(pins)
    assert pins == sorted(set(pins))


def test_the_changelog_has_the_form_of_keep_a_changelog() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+( - \d{4}-\d\d-\d\d)?", heading) for heading in headings[1:])
    kinds = re.findall(r"^### (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "action.yml"], ids=name_of)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text(encoding="utf-8"))
    for action, comment in used:
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d[\d.]*", comment), f"{action} does not say which version it is"


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_workflows_may_do_no_more_than_they_need(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    writing = [name for name, job in workflow["jobs"].items() if "write" in str(job.get("permissions", ""))]
    assert writing == (["publish"] if path.name == "release.yml" else [])
    assert all("timeout-minutes" in job for job in workflow["jobs"].values() if "uses" not in job)


@pytest.mark.parametrize("path", FORMS, ids=name_of)
def test_forms_ask_for_something(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    asked = [item for item in form["body"] if item["type"] != "markdown"]
    assert len({item["id"] for item in asked}) == len(asked)
    assert all(item["attributes"]["label"] for item in asked)
    assert any(item.get("validations", {}).get("required") for item in asked)


def test_what_is_promised_to_plugins_is_what_the_site_describes() -> None:
    promised = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    reference = (ROOT / "docs" / "site" / "python_reference.py").read_text(encoding="utf-8")
    found = re.search(r"^FOR_PLUGINS = (.*)$", reference, re.MULTILINE)
    assert found is not None
    names = re.findall(r'"(\w+)"', found[1])
    assert len(names) == 6
    assert all(f"`segbench.{name}`" in promised for name in names)
