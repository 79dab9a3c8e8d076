"""Text for people: counts, lists, numbers with intervals, and names from outside made fit to be shown."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

CLASS_COUNTS = frozenset({"pixels", "cases", "one_sided_images", "one_sided_cases", "tp", "fp", "fn"})
"""What a table of classes has beside scores: whole numbers."""


def some(names: Sequence[str], most: int = 10) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def printable(text: str) -> str:
    """Text from outside as a terminal may print it: control characters, which could move the cursor, are replaced."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def whole_characters(text: str) -> str:
    """Text with a replacement character for each half of a surrogate pair, such as a byte of a path that is no text."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def counted(number: int, what: str) -> str:
    """A number with what it counts, a regular English noun in the singular.

    >>> counted(1, "sample"), counted(0, "labelled sample")
    ('1 sample', '0 labelled samples')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def named(what: str, name: str, between: str = " ", quote: str = "") -> str:
    """A name after what it is of, but for one that says so itself: classes without a name are called `class 3`.

    >>> named("class", "car"), named("class", "class 3"), named("class", "class 3", quote="'")
    ('class car', 'class 3', "'class 3'")
    """
    shown = f"{quote}{name}{quote}"
    return shown if name.lower().startswith(f"{what.lower()} ") else f"{what}{between}{shown}"


_MAX_DIGITS = 18
"""Decimal digits of any number that is counted here; it fits 64 bits."""


def whole_number(text: str) -> int | None:
    """The number that a text of 1 to 18 digits is, None for any other text: a sign, a superscript, endless digits.

    >>> whole_number("0042"), whole_number("\u00b2"), whole_number("-1"), whole_number("9" * 5000)
    (42, None, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else None


def samples_of(number: int, whole: int | None = None) -> str:
    """How many samples were scored, and of how many where that is a part.

    >>> samples_of(1449), samples_of(107, 1449)
    ('1449 samples', '107 of 1449 samples')
    """
    return counted(number, "sample") if whole is None else f"{number} of {counted(whole, 'sample')}"


def fault_lines(kinds: Mapping[str, Sequence[tuple[str, str]]], most: int = 5) -> list[str]:
    """A line for each kind of fault: its first message, and the names of the other files of which the same is said.

    Parameters
    ----------
    kinds : file and message of each fault, by what is equal in the messages of files with the same fault.
    most : kinds that are told; further ones are counted.

    >>> fault_lines({"is empty": [("a.png", "a.png: is empty."), ("b.png", "b.png: is empty.")]})
    ['  a.png: is empty. The same holds for 1 more: b.png']
    """
    lines = []
    for (_, message), *others in list(kinds.values())[:most]:
        same = f" The same holds for {len(others):,} more: {some([file for file, _ in others])}" if others else ""
        lines.append(f"  {message}{same}")
    return lines + ([f"  and {counted(len(kinds) - most, 'other fault')}"] if len(kinds) > most else [])


def runs_of(values: list[int], most: int = 8) -> str:
    """Label values with runs written as 3-9.

    >>> runs_of([0, 1, 2, 5])
    '0-2, 5'
    """
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in runs]
    return ", ".join(texts[:most]) + (", …" if len(texts) > most else "")


_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]+")


def file_stems(names: Sequence[str]) -> list[str]:
    """One stem for each name that any file system takes; names that are alike in it, or were changed, get a digest.

    >>> file_stems(["N0092", "../x"])
    ['N0092', 'x-d6b96a97']
    """
    plain = [_UNUSUAL.sub("_", name)[:60].strip("._-") or "sequence" for name in names]
    alike = Counter(stem.casefold() for stem in plain)
    before: Counter[str] = Counter()
    stems = []
    for name, stem in zip(names, plain, strict=True):
        twice = before[name]
        before[name] += 1
        if stem != name or alike[stem.casefold()] > 1:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            stem = f"{stem}-{digest}" + (f"-{twice + 1}" if twice else "")
        stems.append(stem)
    return stems


def shown(text: str, most: int = 60) -> str:
    """Text from outside as one short line that a figure can hold: what cannot be printed becomes `?`.

    >>> shown("a\\nb")
    'a?b'
    """
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def short_class(name: str) -> str:
    """The name of a class as a table of classes at the terminal shows it: no longer than 28 letters."""
    return shown(name, 28)


def unknown(what: str, name: str, available: Iterable[str], also: Iterable[str] = ()) -> str:
    """The sentence for a name that does not exist, with the nearest (of those in `also` too) and all that do.

    >>> unknown("dataset", "medka", ["isbi2012", "medaka"])
    "Unknown dataset 'medka'. Did you mean 'medaka'? Available: isbi2012, medaka."
    """
    names = sorted(available)
    near = difflib.get_close_matches(name, [*names, *also], n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"Unknown {what} '{name}'.{hint} Available: {', '.join(names)}."


UNDEFINED = "–"

AND_MORE = " +"
"""Stands after a time to fit that leaves out the training of the weights that were started from."""


def time_marks(started_elsewhere: bool, trained_part: float | None) -> str:
    """What stands after a time to fit that is not the whole of a training.

    Parameters
    ----------
    started_elsewhere : bool
        Whether the time leaves out the training of the weights that were started from.
    trained_part : float, optional
        The part of the planned iterations after which a time limit ended training.

    >>> time_marks(True, None), time_marks(False, 0.244), time_marks(False, 0.999)
    (' +', ' (24 %)', ' (99 %)')
    """
    part = "" if trained_part is None else f" ({percent(trained_part)})"
    return AND_MORE * started_elsewhere + part


def percent(part: float) -> str:
    """A part of something in whole per cent, which is neither all of it nor nothing.

    >>> percent(0.244), percent(0.999), percent(0.001)
    ('24 %', '99 %', '1 %')
    """
    return f"{min(99, max(1, round(100 * part)))} %"


def about_time_marks(marked: Iterable[tuple[bool, float | None]]) -> list[str]:
    """What the marks of times to fit mean, as far as there are any; of each the arguments of `time_marks`."""
    seen = list(marked)
    about = [f"{AND_MORE.strip()}: without the training of the weights that it started from"]
    about = about if any(elsewhere for elsewhere, _ in seen) else []
    if any(part is not None for _, part in seen):
        ended = "a time limit ended training after that part of its iterations"
        about.append(f"(%): {ended}; the score depends on the machine")
    return about


def number(value: float | None, form: str) -> str:
    """A number, or a dash where there is none or it is not finite; what is rounded to zero has no minus.

    >>> number(-0.00001, ".4f"), number(-0.00001, "+.4f"), number(-0.25, ".1f"), number(1234, ",d")
    ('0.0000', '+0.0000', '-0.2', '1,234')
    """
    return UNDEFINED if value is None or not math.isfinite(value) else _formatted(value, form)


def _formatted(value: float, form: str) -> str:
    """A number whose form is one of Python's, such as `+,.2f`."""
    if not form.endswith(("f", "g")):
        return format(value, form)
    sign = len(form) - len(form.lstrip("+- "))
    return format(value, f"{form[:sign]}z{form[sign:]}")


def duration(seconds: float) -> str:
    """A length of time as people say it: `45 s`, `2 min 10 s`, `1 h 5 min`."""
    whole = max(1, round(seconds))
    minutes, rest = divmod(whole, 60)
    if minutes == 0:
        return f"{whole} s"
    # Nobody waits for the exact second.
    rest -= rest % 5
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def interval(value: float | None, low: float | None, high: float | None, form: str = ".4f") -> str:
    """A number with its interval, without what is undefined.

    >>> interval(0.9123, 0.9011, 0.9234), interval(0.5, None, None)
    ('0.9123 [0.9011, 0.9234]', '0.5000')
    """
    if value is None or low is None or high is None:
        return number(value, form)
    return f"{number(value, form)} [{_formatted(low, form)}, {_formatted(high, form)}]"


def between(low: float | None, high: float | None, form: str = ".4f", word: str = " to ") -> str:
    """The ends of an interval, or a dash.

    >>> between(0.1, 0.25, ".2f")
    '0.10 to 0.25'
    """
    return UNDEFINED if low is None or high is None else f"{_formatted(low, form)}{word}{_formatted(high, form)}"


def p_value(value: float | None) -> str:
    """A p value, or a dash.

    >>> p_value(0.0421), p_value(0.00001)
    ('0.042', '< 0.001')
    """
    return "< 0.001" if value is not None and value < 0.001 else number(value, ".3f")


def p_equals(value: float | None) -> str:
    """A p value in a sentence.

    >>> p_equals(0.0421), p_equals(0.00001)
    ('p = 0.042', 'p < 0.001')
    """
    said = p_value(value)
    return f"p {said}" if said.startswith("<") else f"p = {said}"


def no_formula(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that begins as one gets an apostrophe before it.

    >>> no_formula("=1+1"), no_formula(-1.5)
    ("'=1+1", -1.5)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
