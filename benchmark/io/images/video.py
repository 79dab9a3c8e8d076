"""Videos: read frame by frame and written as H.264, by the libraries of FFmpeg. They are untrusted input.

PyAV is imported when a video is opened, so that everything else stays quick.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...text import counted
from ...types import Array, Float64, Uint8, UserError
from ..atomic import atomic_path
from .limits import MAX_PIXELS
from .picture import flip

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})

_OPTIONS = {
    # Only these demuxers, and nothing that a file names elsewhere: playlists may point at other files and servers.
    "format_whitelist": "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
    "protocol_whitelist": "file",
    # Each pixel is to become three values.
    "max_pixels": str(MAX_PIXELS // 3),
}
_LONGEST_GAP = 1000
"""More absent frames in a row are no gap: the times in the file are wrong."""
_UNEVEN = 0.1
"""Times that are further from whole frames than this part of one, on average, are of a variable frame rate."""
_TWELVE_OF_16_BITS = 4096
_ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox", "h264")


@dataclass(frozen=True)
class Shown:
    """How a player shows stored frames: `width` with square pixels (None: the stored one), then turned.

    transposed, down, across : as of `picture.flip`.
    """

    width: int | None = None
    transposed: bool = False
    down: bool = False
    across: bool = False


@dataclass(frozen=True)
class Video:
    """A video that was decoded once to know what it holds.

    numbers: place in time of each frame that can be decoded, from 0; a frame that was dropped or damaged leaves a gap.
    fps: frames per second, None where the file does not say. warnings: one sentence for each thing that is odd.
    shown: how a player shows its frames.
    """

    path: Path
    fps: float | None
    numbers: tuple[int, ...]
    warnings: tuple[str, ...] = ()
    shown: Shown = field(default_factory=lambda: Shown())

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Uint8]:
        return (image for _, image in self.without(()))

    def without(self, skip: Container[int]) -> Iterator[tuple[int, Uint8]]:
        """Index and image, (H, W) or (H, W, 3) uint8, of every frame whose index is not in `skip`; decoded lazily.

        Raises UserError for a video that cannot be read to its end.
        """
        index = 0
        with _opened(self.path) as (container, stream):
            for frame in _decoded(container, stream, []):
                if index not in skip:
                    yield index, _pixels(frame, self.shown)
                index += 1
        if index < len(self):
            raise UserError(f"{self.path}: now has {counted(index, 'frame')}, and had {len(self)}. Was it changed?")


def read_video(path: Path) -> Video:
    """Look through a video: AVI, MP4, MOV, MKV or WEBM, whatever codec is in it.

    Raises
    ------
    UserError
        Naming the file, if it is missing, no video, too large, changes its size, or none of its frames can be decoded.
    """
    damaged: list[str] = []
    times: list[int | None] = []
    size: tuple[int, int] | None = None
    brightest, depth, shown = 0, 8, Shown()
    with _opened(path) as (container, stream):
        for frame in _decoded(container, stream, damaged):
            if size is None:
                size, shown = (frame.height, frame.width), _shown(path, frame, stream)
            depth = max(depth, *(part.bits for part in frame.format.components))
            brightest = max(brightest, _brightest(frame)) if depth > 8 else brightest
            if size != (frame.height, frame.width):
                found = f"frame {len(times)} is {frame.height} x {frame.width}, the first is {size[0]} x {size[1]}"
                raise UserError(f"{path}: {found}; expected frames of one size. Save it again with one size.")
            times.append(frame.pts)
        declared, rate, unit = stream.frames, stream.guessed_rate or stream.average_rate, stream.time_base
    if not times:
        raise UserError(
            f"{path}: none of its frames can be decoded ({damaged[0] if damaged else 'it holds none'}). It is "
            "truncated, corrupt or in a format that FFmpeg does not know: fetch it again, or save it as MP4 (H.264)."
        )
    if 0 < brightest < _TWELVE_OF_16_BITS:
        raise UserError(
            f"{path}: its frames are of {depth} bits and so dark (at most {brightest / 65535:.1%} of white) that they "
            "seem to hold fewer bits in words of that size, which nothing states. Save it with 8 bits and the same "
            "contrast for all frames (in Fiji: Image > Type > 8-bit)."
        )
    warnings = []
    if damaged:
        warnings.append(f"{path}: {counted(len(damaged), 'part')} of it cannot be decoded ({damaged[0]})")
    if declared > len(times):
        warnings.append(f"{path}: {len(times)} of {declared} frames can be read; the rest is damaged or cut off")
    numbers, fps, uneven = _places(times, None if unit is None else float(unit), None if not rate else float(rate))
    if uneven:
        warnings.append(f"{path}: {uneven}")
    return Video(path, fps, numbers, tuple(warnings), shown)


def write_video(path: Path, frames: Iterable[Uint8], fps: float) -> None:
    """Write an MP4 file that every player takes (H.264, yuv420p); the file appears when it is complete.

    Parameters
    ----------
    path : Path
    frames : iterable of (H, W, 3) uint8 RGB
        All of one size, taken one by one. An odd side is extended by its last row or column, as the format needs it.
    fps : float
        Frames per second.

    Raises
    ------
    ValueError
        If there is no frame, or frames differ in size.
    UserError
        If FFmpeg has no H.264 encoder here.
    """
    import av

    # bitexact: no time and no version in the file. faststart: it can be watched before all of it is there.
    options = {"fflags": "+bitexact", "movflags": "+faststart"}
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4", options=options) as container:
        stream: VideoStream | None = None
        shape: tuple[int, ...] = ()
        for frame in frames:
            if stream is None:
                shape, added = frame.shape, container.add_stream(_encoder(), rate=_rate(fps))
                assert isinstance(added, av.VideoStream)
                stream = added
                stream.height, stream.width = (side + side % 2 for side in frame.shape[:2])
                stream.pix_fmt = "yuv420p"
                # With more threads the same frames give other bytes more often; with one they seldom do.
                stream.options = {"crf": "20", "preset": "veryfast", "x264-params": "threads=1"}
            if frame.shape != shape:
                raise ValueError(f"frames of shapes {shape} and {frame.shape} in one video")
            even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        if stream is None:
            raise ValueError("a video needs at least one frame")
        container.mux(stream.encode(None))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its video stream; faults of opening are errors that name the file."""
    import av

    try:
        file = path.open("rb")  # not by its name, which FFmpeg might read as an address
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    with file:
        if not path.stat().st_size:
            raise UserError(f"{path}: is empty (0 bytes). Fetch or write it again.")
        try:
            container = av.open(file, "r", options=dict(_OPTIONS), metadata_errors="replace")
        except (av.FFmpegError, ValueError, MemoryError) as error:
            raise UserError(
                f"{path}: is no video that can be read ({error}). It is truncated, corrupt or of another format: "
                f"expected {', '.join(sorted(VIDEO_SUFFIXES))}. Fetch it again, or save it as MP4 (H.264)."
            ) from error
        with container:
            stream = container.streams.best("video")
            if stream is None:
                raise UserError(f"{path}: holds no video stream; expected a video")
            assert isinstance(stream, av.VideoStream)
            context = stream.codec_context
            if context is None:
                raise UserError(f"{path}: its codec is unknown to FFmpeg here. Save it as MP4 (H.264).")
            if 3 * context.width * context.height > MAX_PIXELS:
                found = f"frames of {context.height} x {context.width}"
                raise UserError(f"{path}: holds {found}; more than {MAX_PIXELS} values a frame are not read")
            yield container, stream


def _decoded(container: InputContainer, stream: VideoStream, damaged: list[str]) -> Iterator[VideoFrame]:
    """Every frame that is whole, in order; the reasons why others are not are added to `damaged`."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else packet.decode()
        except av.EOFError:
            return
        except (av.FFmpegError, MemoryError) as error:
            damaged.append(getattr(error, "strerror", None) or str(error))
            if len(damaged) > _LONGEST_GAP:
                return
            continue
        if packet is None:
            return
        for frame in frames:
            if packet.is_corrupt or frame.is_corrupt:
                damaged.append("a frame is cut off or damaged")
            else:
                yield frame


def _pixels(frame: VideoFrame, shown: Shown) -> Uint8:
    grey = _is_grey(frame)
    deep = grey and max(part.bits for part in frame.format.components) > 8
    # FFmpeg would spread the rounding of deep greys over neighbouring pixels.
    form = "gray16le" if deep else "gray" if grey else "rgb24"
    values: Array = frame.to_ndarray(format=form, width=shown.width or frame.width, height=frame.height)
    values = np.asarray(values >> 8 if deep else values, np.uint8)
    if frame.format.name == "pal8" and (values[:, :, :1] == values[:, :, 1:]).all():
        values = values[:, :, 0]  # as ImageJ writes grey videos
    return flip(values, shown.transposed, shown.down, shown.across)


def _is_grey(frame: VideoFrame) -> bool:
    return frame.format.name.startswith(("gray", "mono", "ya"))


def _brightest(frame: VideoFrame) -> int:
    """The largest value of a frame of more than 8 bits, of 65535."""
    return int(frame.to_ndarray(format="gray16le" if _is_grey(frame) else "rgb48le").max(initial=0))


def _shown(path: Path, frame: VideoFrame, stream: VideoStream) -> Shown:
    """How players show the frames: with square pixels, turned and mirrored as the file's matrix says."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    width = max(1, round(frame.width * ratio)) if ratio > 0 else frame.width
    if 3 * width * frame.height > MAX_PIXELS:
        raise UserError(f"{path}: its pixels are {ratio} times as wide as high; so wide frames are not read")
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Shown(width)
    # (x, y) of a stored pixel is shown at (a x + c y, b x + d y).
    a, b, _, c, d = np.frombuffer(memoryview(matrix), np.int32)[:5].astype(float)
    straight, crossed = max(abs(a), abs(d)), max(abs(b), abs(c))
    if min(straight, crossed) > _UNEVEN * max(straight, crossed):
        raise UserError(
            f"{path}: is to be shown turned by {-frame.rotation:g} degrees; only quarter turns are read. Save "
            "it as it is to be seen."
        )
    if crossed > straight:
        return Shown(width, True, bool(b < 0), bool(c < 0))
    return Shown(width, False, bool(d < 0), bool(a < 0))


def _places(
    times: list[int | None], unit_s: float | None, rate: float | None
) -> tuple[tuple[int, ...], float | None, str]:
    """Place in time of every frame, frames per second, and what is odd about the times ("" for nothing)."""
    known = [time for time in times if time is not None]
    counting = tuple(range(len(times)))
    if unit_s is None or len(known) < len(times) or len(times) < 2:
        return counting, rate, ""
    gaps = np.array(known[1:], np.int64) - np.array(known[:-1], np.int64)
    if gaps.min() <= 0:
        return counting, rate, "its frame times do not increase: frames are counted one by one"
    interval = float(np.median(gaps))
    # Step by step, so that times that are rounded (Matroska has milliseconds) do not add up to a wrong frame.
    ratios: Float64 = gaps / interval
    steps = np.maximum(1, np.rint(ratios)).astype(np.int64)
    duration_s = float(known[-1] - known[0]) * unit_s
    if steps.max() > _LONGEST_GAP or float(np.abs(ratios - steps).mean()) > _UNEVEN:
        mean = len(gaps) / duration_s
        odd = f"its frame rate varies: frames are counted one by one, at the mean rate of {mean:.3f} frames/s"
        return counting, mean, odd
    fps = float(steps.sum()) / duration_s
    if rate is not None and abs(fps / rate - 1) < 1e-3:
        fps = rate
    return (0, *np.cumsum(steps).tolist()), fps, ""


def _encoder() -> str:
    import av

    name = next((name for name in _ENCODERS if name in av.codec.codecs_available and _can_encode(name)), None)
    if name is None:
        raise UserError("FFmpeg has no H.264 encoder here, so no video can be written. Install av from PyPI.")
    return name


def _can_encode(name: str) -> bool:
    import av

    try:
        av.codec.Codec(name, "w")
    except ValueError:  # UnknownCodecError: it decodes only
        return False
    return True


def _rate(fps: float) -> Fraction:
    if not 0 < fps < 100_000:
        raise UserError(f"a video cannot have {fps:g} frames per second")
    return Fraction(fps).limit_denominator(10_000)
