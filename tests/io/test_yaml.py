"""One strict YAML reader for suites, classes, presets and settings: what would be lost or take for ever is refused."""

from __future__ import annotations

import re
import time

import pytest

from segbench.io.yaml import Limits, read_yaml
from segbench.runs.presets import parse_settings
from segbench.types import UserError


def test_plain_values_are_read() -> None:
    text = "a: [1, 2.5, yes, null]\nb: &x {c: d}\ne: *x\nf: 2020-01-01\n"
    read = read_yaml(text, "mine.yaml")
    assert read["a"] == [1, 2.5, True, None]
    assert read["e"] == {"c": "d"}
    assert read_yaml("", "mine.yaml") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: {c: 1, c: 2}\n", "mine.yaml: line 2 gives the key 'c' a second time"),
        ("a: !!timestamp nonsense\n", "cannot be read as YAML (a value is not what its tag says)"),
        ("a: !!int x\n", "cannot be read as YAML"),
        ("a: !!float x\n", "cannot be read as YAML"),
        ("a: !!bool x\n", "cannot be read as YAML (a value is not what its tag says)"),
        ("a: !!binary é\n", "cannot be read as YAML"),
        ("a: !!omap 1\n", "cannot be read as YAML"),
        ("a: !!python/name:os.system\n", "line 1 cannot be read as YAML"),
        ("? [1]\n: 2\n", "cannot be read as YAML"),
        ("a: 0x" + "f" * 6000, "holds a value of 6002 characters"),
        ("[" * 50 + "]" * 50, "nested more than 20 levels"),
        ("a: &a [*a]", "more than 20 levels once its aliases are put in"),
        ("[" + "1," * 100_001 + "]", "more than 100,000 values"),
        ("a: \x00", "cannot be read as YAML"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        read_yaml(text, "mine.yaml")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 500


def test_many_keys_take_no_time() -> None:
    text = "\n".join(f"k{n}: 1" for n in range(20_000))
    start = time.process_time()
    assert len(read_yaml(text, "mine.yaml")) == 20_000
    assert time.process_time() - start < 10


def test_aliases_may_be_refused() -> None:
    with pytest.raises(UserError, match=r"line 2 uses an alias \(\*x\); write it out"):
        read_yaml("a: &x 1\nb: *x\n", "mine.yaml", Limits(aliases=False))


def test_a_setting_that_is_no_value_is_named() -> None:
    words = "--set epochs=!!timestamp nonsense: cannot be read as YAML (a value is not what its tag says)"
    with pytest.raises(UserError, match=re.escape(words)):
        parse_settings(["epochs=!!timestamp nonsense"])
