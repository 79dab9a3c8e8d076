"""Text that somebody else wrote: the mark that editors put first is no part of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from own_folders import BINARY, write_folder
from places import ROOT
from segbench.datasets.folder import Folder
from segbench.io.text_files import parse_json, read_json, read_text
from segbench.io.yaml import read_yaml
from segbench.runs.record import read_record

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le-mark", "utf-16-be-mark", "utf-32")
TEXT = 'a: "é ✓"\r\nb: 2\rc: 3\n'


def encoded(text: str, encoding: str) -> bytes:
    """Text with the mark of its encoding."""
    name, _, mark = encoding.rpartition("-")
    return ("\ufeff" + text).encode(name) if mark == "mark" else text.encode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_text_is_read_by_its_mark(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(encoded(TEXT, encoding))
    assert read_text(path) == 'a: "é ✓"\nb: 2\nc: 3\n'
    assert read_yaml(read_text(path), path) == {"a": "é ✓", "b": 2, "c": 3}
    path.write_bytes(encoded('{"a": "é"}', encoding))
    assert read_json(path) == {"a": "é"}


@pytest.mark.parametrize("content", [b"\xff", b"\xff\xfea", b"\xef\xbb\xbf\xff"])
def test_what_is_no_text_is_a_value_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match="codec"):
        read_text(tmp_path / "a")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_record_is_read_with_its_mark(encoding: str, tmp_path: Path) -> None:
    folder = next((ROOT / "leaderboards" / "records").iterdir())
    shutil.copy(folder / "record.json", tmp_path / "record.json")
    plain = read_record(tmp_path)
    text = json.dumps(json.loads((folder / "record.json").read_text()))
    (tmp_path / "record.json").write_bytes(text.encode(encoding))
    assert read_record(tmp_path) == plain


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_classes_and_splits_are_read_with_their_marks(encoding: str, tmp_path: Path) -> None:
    write_folder(tmp_path, ["a", "b", "c"], "", (0, 1))
    (tmp_path / "classes.yaml").write_bytes(BINARY.encode(encoding))
    (tmp_path / "splits").mkdir()
    for split, name in zip(("train", "val", "test"), "abc", strict=True):
        (tmp_path / "splits" / f"{split}.txt").write_bytes(f"{name}\r\n".encode(encoding))
    dataset = Folder(tmp_path)
    assert [dataset.ids(split) for split in ("train", "val", "test")] == [("a",), ("b",), ("c",)]


NUMBERS = st.integers() | st.floats() | st.sampled_from([-0.0, 1e308 * 10, 2**64, -(2**63), 10**400, 5e-324])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_json_is_read_as_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory, value: Any, plain: bool, indent: Any
) -> None:
    """To the last bit of a number, and in the order of its keys; half of a surrogate pair too."""
    path = tmp_path_factory.getbasetemp() / "any.json"
    text = json.dumps(value, ensure_ascii=plain, indent=indent)
    path.write_bytes(text.encode())
    assert repr(read_json(path)) == repr(json.loads(text))


ODD = {
    **{"keys again": '[{"a": 1}, {"a": {"a": 2}}]', "not a number": "[NaN, Infinity, -Infinity]"},
    **{"too large": "[1e400, -1E400]"},
    **{
        "zeros": "[-0, -0.0, 0e5]",
        "half a pair": r'"\ud800"',
        "a pair": r'"\ud83d\ude00"',
        "line ends": "[1,\r\n2,\r3]",
    },
    **{
        "digits": "[0.1000000000000000055511151231257827, 123456789012345678901234567890]",
        "deep": "[" * 300 + "]" * 300,
    },
    **{"comma": "[1,]", "two": "[1] [2]", "nothing": "", "control": '"\x01"', "cut": '{"a": 1', "zero first": "01"},
    **{"too deep": "[" * 100_000, "too long": "1" * 5000, "other space": "[1]\u00a0", "minus": "-NaN", "hex": "0x10"},
}


@pytest.mark.parametrize("what", ODD)
def test_odd_json_is_read_or_refused_as_python_does(what: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(ODD[what].encode())
    expected, found = (_outcome(lambda: json.loads(ODD[what])), _outcome(lambda: read_json(tmp_path / "a.json")))
    assert found == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a": 1, "a": 2}', '"a"'),
        ('{"a": 1, "a": 1}', '"a"'),
        ('[{"b": {"": {}, "c": 0, "": {}}}]', '""'),
        (r'{"\u0061": 1, "a": 1}', '"a"'),
        (r'{"\u001b": 1, "\u001b": 1}', r'"\u001b"'),
        ('{"%s": 1, "%s": 1}' % (2 * ("x" * 99,)), f'"{"x" * 60}"…'),
    ],
)
def test_an_object_with_a_key_twice_is_refused(text: str, key: str, tmp_path: Path) -> None:
    """Readers take the one or the other, so that what a person sees need not be what is computed with."""
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"the key {key} is given twice")):
        read_json(tmp_path / "a.json")


def test_a_key_twice_among_many_is_found_in_little_time() -> None:
    many = ",".join(f'"{number}": 1' for number in range(300_000))
    with pytest.raises(ValueError, match='the key "299999" is given twice'):
        parse_json(f'{{{many}, "299999": 2}}')


def test_hooks_see_every_object() -> None:
    found = parse_json(b'{"a": {"b": 12}}', object_hook=lambda each: list(each.items()), parse_int=float)
    assert repr(found) == "[('a', [('b', 12.0)])]"


def _outcome(read: Callable[[], Any]) -> str:
    try:
        return repr(read())
    except (ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
