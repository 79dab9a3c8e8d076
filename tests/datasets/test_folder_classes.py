"""The classes of your own folder: read from `classes.yaml`, or guessed from the masks."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from own_folders import (
    THREE,
    Write,
    labels_of,
    write_1_bit,
    write_16_bit,
    write_255,
    write_folder,
    write_grey,
    write_grey_as_rgb,
    write_npy,
    write_palette,
    write_rgb,
)
from segbench.data.own_folder.classes_file import parse_classes, parse_text
from segbench.data.own_folder.inspection import inspect
from segbench.datasets.folder import Folder
from segbench.testing import check_dataset
from segbench.types import Array, UserError, VolumeSlices


def bomb() -> str:
    """Nine levels of nine references each: a few hundred bytes that stand for 9**9 words."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines)


TWO = "classes: [{id: 0, name: a}, {id: 1, name: b}]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1\n- 2\n", "the file is a list of 2; expected keys"),
        ("", "the file is missing or empty"),
        ("classes: 3", "key 'classes' is 3"),
        ("classes: [{id: 0, name: a}]", "two classes or more"),
        ("name: x", "no key 'classes'"),
        ("clases: []", "Did you mean 'classes'"),
        (f"{TWO}license: MIT", "Did you mean 'licence'"),
        ("classes: [{id: 0, name: a, colour: [1, 2, 3]}, {id: 1, name: b}]", "classes.0..*Did you mean 'color'"),
        ("classes: [{id: 0, name: a}, {id: 0, name: b}]", r"classes\[1\].id is '0', and so is classes\[0\].id"),
        ("classes: [{id: 0, name: a}, {id: 1, name: a}]", r"classes\[1\].name is 'a'"),
        ("classes: {0: a, 0: b}", "line 1 gives the key '0' a second time"),
        ("classes: [{id: -1, name: a}, {id: 1, name: b}]", r"classes\[0\].id is -1"),
        ("classes: [{id: true, name: a}, {id: 1, name: b}]", r"classes\[0\].id is True"),
        ("classes: [{id: 0, name: no}, {id: 1, name: b}]", r"classes\[0\].name is False.*quotes"),
        ('classes: [{id: 0, name: "a\\e[31m"}, {id: 1, name: b}]', r"classes\[0\].name"),
        ("classes: [{id: 0, name: a, color: red}, {id: 1, name: b}]", r"classes\[0\].color is 'red'"),
        ("classes: [{id: 0, name: a, color: [0, 0, 256]}, {id: 1, name: b}]", r"classes\[0\].color"),
        ("classes:\n- id: 0\n  name: a\n  color: #ff0000\n- {id: 1, name: b}", r"color is missing.*in quotes"),
        (
            "classes: [{id: 0, name: a, color: [1, 1, 1]}, {id: 1, name: b, color: '#010101'}]",
            r"classes\[1\].color .* is the colour of 'a' too",
        ),
        ("classes: [{id: 0, name: a, kind: animal}, {id: 1, name: b}]", r"classes\[0\].kind.*thing, stuff"),
        (f"{TWO}ignore: 1", "key 'ignore' .1. is a class"),
        (f"{TWO}ignore: red", "ignore.color is 'red'"),
        (f"{TWO}task: ternary", "task is 'ternary'; expected one of binary, multiclass"),
        (f"{TWO}masks: colors", "every class needs its 'color'"),
        (f"{TWO}pixel_size_um: 0", "pixel_size_um is 0"),
        (f"{TWO}pixel_size_um: [1, 2, 3]", "pixel_size_um holds 3 numbers"),
        (f"{TWO}frames_per_second: .inf", "frames_per_second is inf"),
        (f"{TWO}volumes: 2", "volumes is 2; expected keys with values .channels, window, spacing_mm."),
        (f"{TWO}volumes: {{channel: 2}}", "Did you mean 'channels'"),
        (f"{TWO}volumes: {{channels: 0}}", "volumes.channels is 0"),
        (f"{TWO}volumes: {{window: [1, 0]}}", "volumes.window is a list of 2; expected the intensities"),
        (f"{TWO}volumes: {{window: [.nan, 0]}}", "volumes.window is a list of 2"),
        (
            f"{TWO}volumes: {{spacing_mm: [5, 1, 1]}}",
            "volumes.spacing_mm is a list of 3; expected the names of volumes",
        ),
        (f"{TWO}volumes: {{spacing_mm: {{7: [5, 1, 1]}}}}", "in quotes where they are numbers"),
        (f"{TWO}volumes: {{spacing_mm: {{a: [5, 1]}}}}", "spacing_mm.a is a list of 2; expected the mm between slices"),
        (f"{TWO}volumes: {{spacing_mm: {{a: [5, 0, 1]}}}}", "spacing_mm.a is 0; expected a number above 0"),
        (f"{TWO}volumes: {{spacing_mm: {{a: [5, null, 1]}}}}", "spacing_mm.a lacks a number"),
        (f"{TWO}frames_per_second: 1{'0' * 400}", "frames_per_second is 1000"),
        (f"{TWO}pixel_size_um: 0x{'f' * 9000}", "line 2 holds a value of 9002 characters"),
        ("classes: {0: a, 255: b}", "0 and 255 are read as 0 and 1, so write 1"),
        ("classes: {0: a, 1: b, 2: c}\ntask: binary", "a binary data set has the classes 0 and 1"),
        ("classes: [", r"line \d cannot be read as YAML"),
        ("classes: !!python/object/apply:os.system ['touch pwned']", "cannot be read as YAML.*python/object"),
        (bomb(), "uses an alias"),
        ("[" * 100_000, "nested more than 8 levels"),
        ("classes: {0: a, 1: 2020-99-99}", "cannot be read as YAML|name is"),
        ("#" * 210_000, "has 210000 bytes"),
        ("\udcff", "cannot be read.*UTF-8"),
    ],
    ids=range(48),
)
def test_a_broken_list_of_classes_is_named(text: str, words: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a"])
    (root / "classes.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    start = time.perf_counter()
    with pytest.raises(UserError, match=words) as caught:
        Folder(root)
    assert "classes.yaml" in str(caught.value)
    assert time.perf_counter() - start < 5
    assert not (Path.cwd() / "pwned").exists()


KEYS = (
    *("classes", "id", "name", "color", "ignore", "masks", "task", "pixel_size_um", "kind"),
    *("volumes", "channels", "window", "spacing_mm"),
)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["id", "name"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(KEYS) | st.integers(0, 2),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_no_content_of_the_list_of_classes_is_a_crash(content: Any) -> None:
    with contextlib.suppress(UserError):
        classes = parse_classes(content, "classes.yaml", "folder")
        assert parse_classes(classes.definition(), "again", "folder") == classes


def test_a_folder_in_place_of_the_list_of_classes(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a"], classes="")
    (root / "classes.yaml").mkdir()
    with pytest.raises(UserError, match=r"classes\.yaml: cannot be read"):
        Folder(root)


def test_the_definition_makes_the_same_classes_again() -> None:
    text = f"""{THREE}
name: "Zellen: Tag 1"
pixel_size_um: [0.5, 0.25]
frames_per_second: 25
volumes: {{channels: 2, window: [-100, 1.5e-7], spacing_mm: {{"7": [5, 0.8, 0.7]}}}}
licence: CC BY 4.0
citation: someone
"""
    classes = parse_text(text, "classes.yaml", "folder")
    stored = json.loads(json.dumps(classes.definition()))
    assert parse_classes(stored, "record", "other") == classes
    info = Folder.info_of(stored)
    assert info.volumes == VolumeSlices(2, (-100.0, 1.5e-7), {"7": (5.0, 0.8, 0.7)})
    assert (info.pixel_size_um, info.frames_per_second, info.ignore_label) == ((0.5, 0.25), 25.0, 255)
    assert info.version.startswith("Zellen: Tag 1 ")
    assert (info.licence, info.main_score) == ("CC BY 4.0", "miou")
    renamed = parse_text(text.replace("nucleus", "core"), "classes.yaml", "folder")
    recited = parse_text(text.replace("someone", "someone else"), "classes.yaml", "folder")
    uncut = parse_text(text.replace("volumes: ", "# "), "classes.yaml", "folder")
    assert renamed.version != classes.version == recited.version == uncut.version


def test_colours_are_made_up_where_none_are_given() -> None:
    rows = [{"id": n, "name": f"c{n}"} for n in (*range(300), 40_000)]
    classes = parse_classes({"classes": [*rows, {"id": 301, "name": "x", "color": [0, 0, 0]}]}, "f", "n")
    colors = [c.color for c in classes.classes]
    assert len(set(colors)) == len(colors)
    assert dict(classes.colors) == {(0, 0, 0): 301}


@pytest.mark.parametrize(
    ("write", "values", "task", "held"),
    [
        (write_255, (0, 1), "binary", [0, 1]),
        (write_grey, (0, 1), "binary", [0, 1]),
        (write_1_bit, (0, 1), "binary", [0, 1]),
        (write_grey_as_rgb, (0, 1), "binary", [0, 1]),
        (write_16_bit, (0, 65535), "binary", [0, 1]),
        (write_grey, (0, 1, 2), "multiclass", [0, 1, 2]),
        (write_grey, (0, 1, 2, 255), "multiclass", [0, 1, 2]),
        (write_grey, (0, 1, 255), "binary", [0, 1]),
        (write_grey, (0, 60, 255), "multiclass", [0, 60, 255]),
        (write_grey, (0, 128, 255), "multiclass", [0, 128, 255]),
        (write_palette, (0, 3, 9), "multiclass", [0, 3, 9]),
        (write_16_bit, (0, 700, 9000), "multiclass", [0, 700, 9000]),
        (write_npy, (2, 3, 5), "multiclass", [2, 3, 5]),
        (write_rgb, (0, 1, 2), "multiclass", [0, 1, 2]),
        (write_rgb, (0, 1), "binary", [0, 1]),
    ],
)
def test_a_guess_reads_its_own_masks(
    write: Write, values: tuple[int, ...], task: str, held: list[int], tmp_path: Path
) -> None:
    root = write_folder(tmp_path / 'my "own" [folder]', [f"im{n}" for n in range(12)], "", values, write)
    proposal = Folder.propose(root)
    assert proposal.path == root / "classes.yaml"
    proposal.path.write_text(proposal.text, encoding="utf-8")
    dataset = Folder(root)
    check_dataset(dataset)
    assert dataset.check() == []
    assert dataset.info.task == task
    assert sorted(c.id for c in dataset.info.classes) == held
    assert dataset.info.version.startswith('my "own" [folder] ')
    assert dataset.definition() == proposal.definition
    if write is write_palette:
        assert dataset.info.classes[1].color == (3, 252, 7)
    assert (dataset.info.ignore_label == 255) == (values in ((0, 1, 2, 255), (0, 1, 255)))
    if write is write_255 or 60 in values:  # the value that could be ignored is none of theirs
        assert "# ignore: 254\n" in proposal.text


def test_thin_borders_are_guessed_as_void(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    labels = np.zeros((60, 60), np.uint8)
    labels[10:50, 10:50] = 200
    labels[14:46, 14:46] = 90
    labels[labels == 200] = 255
    labels[:5, :5] = 250
    write_grey(tmp_path / "masks" / "a.png", labels)
    proposal = Folder.propose(tmp_path)
    assert proposal.definition["ignore"] == {"id": 255}
    assert [c["id"] for c in proposal.definition["classes"]] == [0, 90, 250]
    assert "thin borders" in proposal.text
    colors = np.zeros((256, 3), np.uint8)
    colors[[90, 250, 255]] = [[9, 9, 90], [20, 250, 20], [224, 224, 192]]
    Image.fromarray(colors[labels]).save(tmp_path / "masks" / "a.png")
    proposal = Folder.propose(tmp_path)
    assert proposal.definition["ignore"] == {"id": 255, "color": [224, 224, 192]}
    assert proposal.definition["classes"][0]["color"] == [0, 0, 0]


@pytest.mark.parametrize("ignored", [255, [224, 224, 192]])
def test_void_is_no_class(ignored: Any) -> None:
    classes = parse_classes({"classes": {0: "a", 1: "b", 2: "c"}, "ignore": ignored}, "f", "n")
    assert classes.ignore_label == 255


def test_what_is_no_label_map_is_refused_by_the_guess(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    masks = tmp_path / "masks"
    masks.mkdir()

    def guess(values: Array) -> str:
        Image.fromarray(values).save(masks / "a.png")
        with pytest.raises(UserError) as caught:
            inspect("n", [masks / "a.png"])
        assert "masks" in str(caught.value)
        return str(caught.value)

    assert "hold the value 0 alone" in guess(np.zeros((8, 8), np.uint8))
    assert "these are no labels" in guess(random.integers(0, 60_000, (64, 64)).astype(np.uint16))
    assert "photograph" in guess(random.integers(0, 256, (99, 99, 3)).astype(np.uint8))
    blurred = np.where(random.random((99, 99)) < 0.04, random.integers(0, 256, (99, 99)), 255 * (random.random() > 2))
    blurred[:40] = 255
    assert "resized with interpolation" in guess(blurred.astype(np.uint8))
    write_rgb(masks / "b.png", labels_of(0))
    write_grey(masks / "a.png", labels_of(0))
    with pytest.raises(UserError, match=r"a\.png' is a grey .*b\.png' an RGB"):
        inspect("n", [masks / "a.png", masks / "b.png"])
    np.save(masks / "c.npy", np.zeros((4, 4)))
    with pytest.raises(UserError, match=r"c\.npy: has shape .* float64"):
        inspect("n", [masks / "c.npy"])


@pytest.mark.parametrize(("wrong", "said"), [(1, ""), (3, "3 of 14 masks cannot"), (12, "more than 10 of 14 masks")])
def test_all_masks_that_cannot_be_read_are_named_at_once(wrong: int, said: str, tmp_path: Path) -> None:
    masks = [tmp_path / f"{number:02}.png" for number in range(14)]
    for mask in masks:
        write_grey(mask, labels_of(0))
    for mask in masks[:wrong]:
        mask.write_bytes(b"no image")
    with pytest.raises(UserError) as caught:
        inspect("n", masks)
    head, *told = str(caught.value).splitlines()
    assert said in head
    assert [f"{mask}: cannot be decoded" in line for mask, line in zip(masks, told or [head], strict=False)] == [
        True
    ] * min(wrong, 10)
