"""`bench cardiac`: the numbers of a beating heart from masks, or from a video and a trained run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..cardiac.agreement import Agreement
from ..cardiac.beats import Heartbeat, beats_of, rates_disagree
from ..cardiac.blocks import SequenceBlock
from ..cardiac.film_rhythm import film_rhythm
from ..cardiac.rhythm import RATES
from ..cardiac.rows import frame_rows
from ..cardiac.to_json import cardiac_block
from ..cardiac.track import tracks
from ..data.image_sources import Frames
from ..figures.cardiac.masks_at_hand import write_plots
from ..io.atomic import is_temporary, write_text
from ..io.listing import resolved
from ..io.reporter import Reporter
from ..io.text_files import read_json
from ..metrics.cardiac import Cardiac
from ..predictions.official_formats import new_folder
from ..runs.cardiac.agreement import held_against_truth
from ..runs.cardiac.document import CardiacDocument
from ..runs.cardiac.doubts import cannot_judge
from ..runs.cardiac.flicker import READ_AS_PREDICTED
from ..runs.cardiac.methods import METHODS, methods_text
from ..runs.cardiac.propagation import PropagationBlock, PropagationRow, propagation
from ..runs.cardiac.request import CardiacRequest
from ..runs.cardiac.sides import MASKS, RESULT, Measured, Sides, info_of, read_sides, run_of
from ..runs.cardiac.tables import BEAT_COLUMNS, sequence_rows, timed_beat_rows, write_table
from ..runs.cardiac.unfit import Unfit, unfit, usable_summary, with_doubts
from ..runs.record import read_record
from ..text import counted
from ..types import Array, UserError

__all__ = ["CardiacRequest", "cardiac"]


def cardiac(request: CardiacRequest, reporter: Reporter) -> CardiacDocument:
    """Do what `bench cardiac` says: what `--json` prints, with the files that were written.

    A sequence without a ventricle in any frame is warned of by name, and named by the document.

    Raises
    ------
    UserError
        For masks, videos, runs or settings that cannot be used.
    """
    folder = request.folder
    if folder is not None:
        _refuse_foreign(folder, request.input)
    if request.propagation and request.run is not None and request.truth is None:
        raise UserError("--propagation changes true masks: give masks without --run, or the true ones with --truth")
    sides = read_sides(request, reporter)
    with reporter.progress("measuring masks") as update:
        measured = sides.measured(update)
    hearts = _hearts(request, sides, measured)
    film = None if sides.frames is None else _rate_of_film(sides.frames, sides.calibration.fps, reporter)
    _name_disagreement(hearts, film, reporter)
    unfits = {heart.track.name: unfit(heart, film) for heart in hearts}
    document = _document(request, sides, hearts, unfits, reporter)
    if (made_by := run_of(request)) is not None:
        document.run_id = made_by
    if sides.frames is not None and request.run is not None:
        document.film_heart_rate_bpm, document.masks = film, str(Path(folder or "") / MASKS)
    _name_empty(request, hearts, document, reporter)
    agreement = None
    if sides.truths:
        document.dice = sides.dice()
    if sides.truths and sides.beating:
        metric, info = Cardiac(request.detection, measured.cells), info_of(sides.calibration)
        judged = held_against_truth(measured.silhouettes, sides.truths, metric, info, reporter.warn)
        agreement = judged.agreement
        true = {heart.track.name: unfit(heart) for heart in agreement.truths}
        with_doubts(judged.truth, agreement.truths, true)
        document.truth, document.agreement, document.scores = judged.truth, judged.block, judged.scores
    if request.propagation:
        document.propagation = _propagated(request, sides, reporter)
    document.warnings = list(reporter.warnings)
    if folder is not None:
        with reporter.progress("writing tables and plots"):
            with _whole(folder) as place:
                written = _write(request, place, sides, hearts, unfits, agreement, document)
            document.files = [str(folder / path.relative_to(place)) for path in written]
    return document


def _hearts(request: CardiacRequest, sides: Sides, measured: Measured) -> list[Heartbeat]:
    """The beats of every sequence of masks."""
    rows = [(name, number, mask) for name, found in measured.silhouettes.items() for number, mask in found.items()]
    found = tracks(rows, sides.calibration.fps, sides.calibration.pixel_size_um, measured.cells)
    return [beats_of(track, request.detection) for track in found]


def _document(
    request: CardiacRequest,
    sides: Sides,
    hearts: Sequence[Heartbeat],
    unfits: Mapping[str, Unfit],
    reporter: Reporter,
) -> CardiacDocument:
    """What is said of the hearts alone; film, truth, warnings and files are added later."""
    block = cardiac_block(hearts)
    with_doubts(block.sequences, hearts, unfits)
    if not request.predicted and request.pulsation is None:
        _advise_of_flicker(hearts, block.sequences, reporter)
    block.summary = usable_summary(block.summary, hearts, unfits)
    flags = Counter(flag for sequence in block.sequences for flag in sequence.flags)
    block.summary.flagged_sequences = dict(sorted(flags.items()))
    return CardiacDocument(
        command=request.command(),
        input=str(request.input),
        cleaned=sides.clean,
        fps_from=sides.calibration.fps_from,
        pixel_size_from=sides.calibration.pixel_size_from,
        warnings=[],
        sequences=block.sequences,
        summary=block.summary,
    )


def _name_empty(
    request: CardiacRequest, hearts: Sequence[Heartbeat], document: CardiacDocument, reporter: Reporter
) -> None:
    """Say in which sequences no ventricle was found, and who did not find it."""
    empty = [heart.track for heart in hearts if heart.is_empty]
    if not empty:
        return
    document.no_ventricle = [track.name for track in empty]
    by, advice = "", "Its masks are empty"
    if request.run is not None:
        record = read_record(request.run)
        by = f" by {record.run_id}"
        view = record.dataset.options.get("view")
        trained = f"view {view} of {record.dataset.name}" if view else record.dataset.name
        advice = f"It was trained on {trained}: is the film of the same view, magnification and brightness?"
    for track in empty:
        reporter.warn(
            f"'{track.name}': no ventricle found in any of {counted(len(track.frames), 'frame')}{by}. {advice}"
        )


def _rate_of_film(frames: Frames, fps: float, reporter: Reporter) -> float | None:
    with reporter.progress("looking for the rhythm of the film's own colours"):
        return film_rhythm(frames, frames.numbers, fps)


def _name_disagreement(hearts: Sequence[Heartbeat], film: float | None, reporter: Reporter) -> None:
    """Say where the rate of the beats or the rhythm of the masks is not that of the film's colours."""
    for heart in hearts:
        rates = {"its beats": heart.heart_rate_bpm, "the rhythm of its masks": heart.heart_rate_bpm_spectral}
        odd = {what: rate for what, rate in rates.items() if rate and film and rates_disagree(rate, film)}
        said = " and ".join(f"{what} {rate:.1f}" for what, rate in odd.items())
        if odd and film and cannot_judge(film, heart.heart_rate_bpm):
            low, high = RATES
            reporter.warn(
                f"'{heart.track.name}': the film's own colours beat {film:.1f} times a minute, {said}. A rhythm is "
                f"looked for between {low:g} and {high:g} per minute, so at this edge the colours cannot judge"
            )
        elif odd:
            reporter.warn(
                f"'{heart.track.name}': the film's own colours beat {film:.1f} times a minute, {said}. Look at the "
                "overlays: the masks may not follow the heart"
            )


def _advise_of_flicker(hearts: Sequence[Heartbeat], sequences: Sequence[SequenceBlock], reporter: Reporter) -> None:
    """Say how masks of a network are read, where their rhythm denies the beats that were counted as in clean ones."""
    odd = [
        heart
        for heart, each in zip(hearts, sequences, strict=True)
        if "rates_disagree" in each.flags and not {"gap", "implausible_rate"} & set(each.flags)
    ]
    for heart in odd:
        reporter.warn(
            f"'{heart.track.name}': {heart.heart_rate_bpm or 0:.1f} beats per minute were counted, and the rhythm of "
            f"its masks is {heart.heart_rate_bpm_spectral or 0:.1f}"
        )
    if odd:
        reporter.warn(READ_AS_PREDICTED)


def _propagated(request: CardiacRequest, sides: Sides, reporter: Reporter) -> PropagationBlock:
    """What changes of the true masks do to the beats; without a truth the masks themselves are taken for true."""
    sequences = sides.truths or sides.masks
    masks: Mapping[str, Iterable[Array]] = sides.truths or {name: sides.mask(name) for name in sides.masks}
    with reporter.progress("changing masks") as update:
        return propagation(masks, sequences, Cardiac(request.detection), info_of(sides.calibration), update)


def _refuse_foreign(folder: Path, film: Path) -> None:
    """A folder is ours when it is empty or holds our result of this film, or masks that were begun."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"'{folder}' is a file; --out names a folder")
    names = set(_names_in(folder))
    if names and not names & {RESULT, MASKS}:
        raise UserError(f"'{folder}' holds '{min(names)}' and no result of 'bench cardiac'; choose another with --out")
    try:
        content = read_json(folder / RESULT) if RESULT in names else {}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{folder / RESULT}: cannot be read ({error}), so nobody can tell of which film it is. Choose another "
            "folder with --out, or remove this one."
        ) from error
    before = content.get("input") if isinstance(content, dict) else None
    if isinstance(before, str) and before != str(film) and resolved(before) != film.resolve():
        raise UserError(
            f"'{folder}' holds the result of '{before}', which that of '{film}' would replace; choose another folder "
            "with --out, or remove this one"
        )


def _names_in(folder: Path) -> Iterator[str]:
    """Names of what lies in a folder, but for what a killed process has left half made."""
    return (path.name for path in (folder.iterdir() if folder.is_dir() else ()) if not is_temporary(path))


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """The folder to write into: a new one comes to its place whole, since a part of a result would be refused later."""
    if any(_names_in(folder)):
        yield folder
    else:
        with new_folder(folder) as made:
            yield made


def _write(
    request: CardiacRequest,
    folder: Path,
    sides: Sides,
    hearts: Sequence[Heartbeat],
    unfits: Mapping[str, Unfit],
    agreement: Agreement | None,
    document: CardiacDocument,
) -> list[Path]:
    """Tables of frames, beats and sequences, plots, and last the result, which marks the folder as complete."""
    tables = {
        "sequences": sequence_rows(document.sequences, hearts, unfits),
        "beats": timed_beat_rows(hearts, unfits),
        "frames": frame_rows(hearts),
    }
    columns = {name: list(rows[0]) for name, rows in tables.items() if rows} | {"beats": BEAT_COLUMNS}
    written = [path for name, rows in tables.items() for path in write_table(folder / name, rows, columns[name])]
    write_text(folder / METHODS, methods_text(document, request.detection, columns))
    written.append(folder / METHODS)
    if request.plots:
        written += write_plots(folder, sides, hearts, unfits, agreement)
    if document.propagation is not None:
        written += _write_propagation(request, folder, document.propagation.rows)
    write_text(folder / RESULT, document.to_json())
    return [*written, folder / RESULT]


def _write_propagation(request: CardiacRequest, folder: Path, rows: Sequence[PropagationRow]) -> list[Path]:
    """Error against Dice as a table and as a plot."""
    from ..figures.cardiac.agreement import propagation as propagation_plot
    from ..figures.style import write_figure

    plain = [row.model_dump(mode="json") for row in rows]
    written = write_table(folder / "propagation", plain)
    if request.plots:
        written += write_figure(folder / "plots" / "propagation", lambda: propagation_plot(plain))
    return written
