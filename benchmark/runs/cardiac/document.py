"""What `bench cardiac` found, as it is printed and written: the keys are those of the command-line contract."""

from __future__ import annotations

from ...cardiac.to_json import AgreementBlock, Block, SequenceBlock, SummaryBlock
from ...evaluation.scores import Score
from .propagation import PropagationBlock


class CardiacDocument(Block):
    """`cardiac.json`. What was not asked for has no key: a truth, changed masks, files."""

    command: str
    input: str
    cleaned: bool
    sequences: list[SequenceBlock]
    summary: SummaryBlock
    truth: list[SequenceBlock] | None = None
    agreement: AgreementBlock | None = None
    scores: dict[str, Score] | None = None
    propagation: PropagationBlock | None = None
    files: list[str] | None = None
