"""What `bench cardiac` found, as it is printed and written: the keys are those of the command-line contract."""

from __future__ import annotations

from ...cardiac.blocks import AgreementBlock, Block, SequenceBlock, SummaryBlock
from ...evaluation.scores import Score
from .calibration import Source
from .propagation import PropagationBlock
from .truth import DiceBlock


class CardiacDocument(Block):
    """`cardiac.json`. What was not asked for has no key: a truth, changed masks, files.

    `fps_from` and `pixel_size_from` say who said these: `option`, `file`, `dataset` (of the run), or nobody, `default`.
    """

    command: str
    input: str
    cleaned: bool
    fps_from: Source
    pixel_size_from: Source
    warnings: list[str]
    sequences: list[SequenceBlock]
    summary: SummaryBlock
    truth: list[SequenceBlock] | None = None
    agreement: AgreementBlock | None = None
    scores: dict[str, Score] | None = None
    dice: DiceBlock | None = None
    """Of the masks against the truth; null where their sizes differ, no key without a truth."""
    propagation: PropagationBlock | None = None
    files: list[str] | None = None
    film_heart_rate_bpm: float | None = None
    """The rhythm of the film's own colours, found without any mask; no key without a film."""
    run_id: str | None = None
    """The run that made the masks, now or earlier; no key where nothing says so."""
    masks: str | None = None
    """The folder of the masks that it made; no key without one."""
    no_ventricle: list[str] | None = None
    """Sequences in whose frames no ventricle was found at all; no key where there are none."""
