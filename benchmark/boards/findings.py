"""What the leaderboards say, in sentences that follow from their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..evaluation.comparison import ALPHA
from ..evaluation.resampling import MIN_GROUPS
from ..evaluation.scores import Score
from ..runs.record import Record
from ..runs.time_limit import trained_part
from ..text import UNDEFINED, counted, number, p_equals, percent
from .labels import board_labels
from .markdown import escape, with_interval
from .people import People
from .rank_spans import RankSpan, Spans
from .seed_groups import SeedGroup


def findings(rows: Sequence[Record], spans: Spans) -> list[str]:
    """Sentences about comparable records, from the best to the worst: who leads, and learned against classical.

    `spans` hold the tests of them against each other; of records without there, only scores are told.
    """
    scored = [record for record in rows if record.main_value is not None]
    if not scored:
        return []
    best, names = scored[0], _names(rows)
    level = [record for record in scored if record.main_value == best.main_value]
    verb = "leads with" if len(scored) > 1 else "is the only method so far:"
    lines = [f"{names[best.run_id]} {verb} {_value(best)}{_cost(best)}. {_tests(spans.get(best.run_id))}".rstrip()]
    if len(level) > 1:
        lines = [f"{', '.join(names[record.run_id] for record in level)} have the same {_value(best)}: none leads."]
    learned = [record for record in scored if record.method.family == "learned"]
    classical = [record for record in scored if record.method.family == "classical"]
    if learned and classical:
        lines.append(_families(learned, classical, names, spans))
    return lines


def told_from(span: RankSpan | None) -> str:
    """From how many others the best run is told, for the cell of a table."""
    return UNDEFINED if span is None else f"{span.told_from} of {counted(span.tested.runs - 1, 'other')}"


def _tests(span: RankSpan | None) -> str:
    """From how many others the best run is told, and what the tests take for independent."""
    if span is None or span.first > 1:
        return ""
    few = f" Tests count {span.tested.drawn} as independent here, although they are of fewer than {MIN_GROUPS} groups."
    return _ahead(span) + few * span.tested.few_groups


def _ahead(span: RankSpan) -> str:
    others, behind = span.tested.runs - 1, span.told_from
    every = {1: "the other", 2: "both others"}.get(others, f"all {others} others")
    if behind == others:
        return f"It is ahead of {every} by more than chance."
    if not behind:
        return f"Tests cannot tell it from {'the other' if others == 1 else f'any of the {others} others'}."
    return f"It is ahead of {behind} of the {others} others by more than chance; tests cannot tell it from the rest."


def learned_from(curve: Sequence[SeedGroup], label: str) -> str:
    """A sentence about a learning curve, from the fewest labels to the most; `label` tells it from others."""
    few, most = curve[0], curve[-1]
    return (
        f"**{escape(label)}** reaches {escape(few.record.main_score)} {_of_seeds(few, _labels(few.record))}, and "
        f"{_of_seeds(most, f'{most.record.method.n_train:g}')}."
    )


def _of_seeds(row: SeedGroup, labels: str) -> str:
    """The main score with its interval; of several seeds the mean and the scores of all, which say more than that."""
    values = [record.main_value for record in row.records]
    if len(values) == 1:
        return f"{with_interval(row.record.scores[row.record.main_score])} with {labels}"
    listed = ", ".join(number(value, ".4f") for value in values)
    return f"{number(row.record.main_value, '.4f')} with {labels} ({counted(len(values), 'seed')}: {listed})"


def against_people(rows: Sequence[Record], people: People | None) -> list[str]:
    """A sentence about the best method, the first of the rows, and the human range; none without people."""
    best = rows[0]
    if people is None or best.run_id not in people.verdicts:
        return []
    return [f"{people.sentence} {_names(rows)[best.run_id]}: {people.verdicts[best.run_id]}."]


def _labels(record: Record) -> str:
    """
    >>> _labels(type("Run", (), {"method": type("Method", (), {"n_train": 1.0})}))
    '1 labelled sample'
    """
    number = record.method.n_train or 0.0
    return f"{number:g} labelled sample{'' if number == 1 else 's'}"


def _families(learned: Sequence[Record], classical: Sequence[Record], names: Mapping[str, str], spans: Spans) -> str:
    one, other = (learned[0], classical[0])
    if _main(one) == _main(other):
        mine, theirs = names[one.run_id], names[other.run_id]
        return f"The best learned method, {mine}, and the best classical one, {theirs}, are level."
    gap = abs(_main(one) - _main(other))
    unit = one.scores[one.main_score].unit
    ahead = f"{100 * gap:.1f} points" if unit == "fraction" else f"{gap:.4g} {unit}"
    first, second = (one, other) if _better(one, other) else (other, one)
    text = (
        f"The best {first.method.family} method, {names[first.run_id]}, is {ahead} ahead of the best "
        f"{second.method.family} one, {names[second.run_id]} ({_value(second)}{_cost(second)})"
        f"{_chance(first, second, spans)}."
    )
    behind = [record for record in learned if _better(other, record)]
    if behind:
        return f"{text} {_behind(other, behind, names, spans)}"
    pairs = [(record, rival) for record in learned for rival in classical]
    if len(pairs) == 1 or not all(_better(*pair) for pair in pairs):
        return text
    every = "Every learned method" if len(learned) > 1 else "The learned method"
    rivals = f"{'every' if len(classical) > 1 else 'the'} classical one"
    if all(_told(*pair, spans) for pair in pairs):
        return f"{text} {every} is ahead of {rivals} by more than chance."
    return f"{text} {every} scores above {rivals}."


def _chance(first: Record, second: Record, spans: Spans) -> str:
    """Whether the first of two runs is ahead by more than chance, as the end of a clause; nothing without a test."""
    span = spans.get(first.run_id)
    if span is None or second.run_id not in span.chances:
        return ""
    p = span.chances[second.run_id]
    said = p_equals(p)
    if span.tested.pairs > 1:
        said += f" for all {span.tested.pairs} pairs together"
    return f", by more than chance ({said})" if p < ALPHA else f", which may be chance ({said})"


def _behind(best: Record, behind: Sequence[Record], names: Mapping[str, str], spans: Spans) -> str:
    """The learned methods below the best classical one, those that a test tells from it first."""
    told = [names[record.run_id] for record in behind if _told(best, record, spans)]
    rest = [names[record.run_id] for record in behind if not _told(best, record, spans)]
    parts = [
        f"by {how}: {', '.join(them)}" for how, them in (("more than chance", told), ("score alone", rest)) if them
    ]
    return f"Learned methods below {names[best.run_id]} {'; '.join(parts)}."


def _told(one: Record, other: Record, spans: Spans) -> bool:
    """Whether a test tells two runs apart."""
    return one.run_id in spans and spans[one.run_id].differs(other.run_id)


def _better(one: Record, other: Record) -> bool:
    higher = one.scores[one.main_score].higher_is_better
    return _main(one) > _main(other) if higher else _main(one) < _main(other)


def _main(record: Record) -> float:
    return record.main_value or 0.0


def _value(record: Record) -> str:
    score: Score = record.scores[record.main_score]
    return f"{escape(record.main_score)} {with_interval(score)}"


def _cost(record: Record) -> str:
    cost = record.cost
    if cost.train_s is None or cost.predict_ms_per_image is None:
        return ""
    one = short_time(cost.predict_ms_per_image / 1000)
    fitted = short_time(cost.train_s) + " (after a training that is not counted)" * record.started_elsewhere
    if (part := trained_part([record])) is not None:
        fitted += f" (a time limit ended it after {percent(part)} of its iterations)"
    on = f" on {escape(cost.device)}" if cost.device else ""
    return f", fitted in {fitted} and {one} per image{on}"


def short_time(seconds: float) -> str:
    """A length of time in one number.

    >>> short_time(0.00023), short_time(0.0123), short_time(4.56), short_time(530.0), short_time(9000.0)
    ('0.2 ms', '12 ms', '4.6 s', '8.8 min', '2.5 h')
    """
    if seconds < 1:
        return f"{1000 * seconds:.{1 if seconds < 0.001 else 0}f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _names(records: Sequence[Record]) -> dict[str, str]:
    """What each row is called, by the id of its run: as in the board's table."""
    labels = board_labels(records)
    return {record.run_id: f"**{escape(label)}**" for record, label in zip(records, labels, strict=True)}
