"""Printing what `bench data` found, fetched or made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..text import counted, printable
from . import output
from .output import cell_text, document, new_table, safe, stdout

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..data.documents import (
        DataDescription,
        DataStatus,
        DataVerification,
        DescribedClass,
        SynthesizedData,
    )


def status(found: DataStatus, as_json: bool, be_quiet: bool) -> None:
    """Where data was looked for."""
    del be_quiet
    if as_json:
        document(found)
        return
    console = stdout()
    console.print(f"[bold]{found.dataset}[/]")
    for place in found.places:
        sizes = ", ".join(f"{split} {n}" for split, n in place.splits.items() if n is not None)
        state = f"found ({place.origin}): {sizes}" if place.found else "not found"
        problem = f": {safe(place.problem)}" if place.problem is not None else ""
        # Whole lines, so that a path can be copied.
        console.print(f"{place.place:<11}{safe(place.root)}", soft_wrap=True)
        console.print(f"{'':<11}{state}{problem}", soft_wrap=True)


def description(about: DataDescription, as_json: bool, be_quiet: bool) -> None:
    """All that is known of a dataset."""
    del be_quiet
    if as_json:
        document(about)
        return
    console = stdout()
    aliases = f" (also: {', '.join(about.aliases)})" if about.aliases else ""
    console.print(f"[bold]{about.name}[/]{aliases}: {safe(about.summary)}\n")
    facts = new_table("", "", header=False)
    where = "expected_root" if about.root is None else "root"
    for key in ("task", "main_score", "metrics", "layout", where, "frames_per_second"):
        fact = getattr(about, key)
        if fact is not None:
            facts.add_row(key.replace("_", " "), cell_text(fact))
    if about.pixel_size_um is not None:
        facts.add_row("pixel size", "{:g} x {:g} µm (height x width)".format(*about.pixel_size_um))
    for key, meaning in about.options.items():
        facts.add_row(f"--set {key}=…", safe(meaning))
    for key in ("licence", "citation", "homepage"):
        facts.add_row(key, safe(getattr(about, key)))
    console.print(facts)
    _downloads(console, about)
    here = about.found or {}
    splits = new_table("split", "official size", *(["here"] if here else []), "what")
    for name, split in about.splits.items():
        mark = " (default)" if name == about.default_split else ""
        size = [cell_text(here[name])] if here else []
        splits.add_row(name + mark, cell_text(split.official_size), *size, safe(split.summary))
    console.print(splits)
    if about.classes:
        console.print(_classes(about.classes))
    if about.proposal is not None:
        state = "Wrote" if about.written else "Guessed, and not written (add --write)"
        console.print(f"{state}: {safe(str(about.path))}\n", soft_wrap=True)
        print(printable(about.proposal))


def _downloads(console: Console, about: DataDescription) -> None:
    """Official files, each with its address on a line of its own, so that it can be copied."""
    if about.downloads:
        console.print(f"\nfiles that 'bench data download {about.name}' fetches:")
    for file in about.downloads:
        needs = " (account needed)" if file["login"] else ""
        console.print(f"- {safe(file['filename'])}{needs}: {safe(file['summary'])}", soft_wrap=True)
        console.print(f"  {safe(file['url'])}", soft_wrap=True)


def _classes(entries: Sequence[DescribedClass]) -> Table:
    table = new_table("id", "class", "kind", "colour")
    for entry in entries:
        red, green, blue = entry.color
        swatch = f"[on rgb({red},{green},{blue})]    [/] #{red:02x}{green:02x}{blue:02x}"
        table.add_row(str(entry.id), safe(entry.name), entry.kind, swatch)
    return table


def faults(found: DataVerification, as_json: bool) -> None:
    """What a check found."""
    if as_json:
        document(found)
        return
    console = stdout()
    labelled = counted(found.n, "labelled sample")
    what = f"{found.dataset} ({found.origin}) at {safe(found.root)}: {labelled}"
    looked = f"{counted(found.read, 'sample')} read"
    looked += f", {found.cached} unchanged since they were found sound" if found.cached else ""
    state = f"[red]{counted(len(found.faults), 'fault')}[/]" if found.faults else "[green]fine[/]"
    console.print(f"{state}: {what}; {looked}", soft_wrap=True)
    for fault in found.faults:
        console.print(f"- {safe(fault)}", soft_wrap=True)
    for warning in found.warnings:
        console.print(f"- [yellow]warning:[/] {safe(warning)}", soft_wrap=True)
    splits = new_table("split", "samples", "official", "fingerprint of the truth")
    for name, split in found.splits.items():
        short = cell_text(split.data_sha256)[:16]
        splits.add_row(safe(name), cell_text(split.n), cell_text(split.official), short)
    if found.splits:
        console.print(splits)


def downloaded(result: dict[str, Any], as_json: bool, be_quiet: bool) -> None:
    """What was fetched, and what was there already."""
    if as_json:
        document(result)
        return
    if be_quiet or output.quiet:
        return
    console = stdout()
    for file in result["files"]:
        console.print(f"{safe(file['filename'])}: {file['state']} (SHA-256 {file['sha256']})", soft_wrap=True)
    samples = "" if result["n"] is None else f", {counted(result['n'], 'labelled sample')}"
    whole = "complete" if result["complete"] else "partial"
    console.print(f"{result['dataset']} in {safe(result['root'])}: {whole}{samples}", soft_wrap=True)


def made(result: SynthesizedData, as_json: bool, be_quiet: bool) -> None:
    """What was synthesized."""
    if as_json:
        document(result)
    elif not (be_quiet or output.quiet):
        where = f"{safe(result.root)} (seed {result.seed})"
        samples = counted(result.n, "labelled sample")
        stdout().print(f"SYNTHETIC {result.dataset}: {samples} in {where}", soft_wrap=True)
