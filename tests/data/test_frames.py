"""Images, stacks and videos as frames: order, numbers, colours, and videos that are broken or mean harm."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
from PIL import Image

from places import SHARED
from segbench.data.image_sources import open_frames
from segbench.errors import UserError
from segbench.io.images import read as images
from segbench.io.images.video import read_video, write_video
from videos import encode, picture

RANDOM = np.random.default_rng(0)
JPEG = b"\xff\xd8\xff"
"""How each frame of a Motion JPEG begins."""


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        list(open_frames(path))
    for word in (path.name, *words):
        assert word in str(caught.value)


# Folders, pictures and stacks


def test_a_folder_is_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        Image.fromarray(picture(number)).save(tmp_path / f"frame{number}.png")
    (tmp_path / "notes.txt").write_text("1")
    (tmp_path / "._frame1.png").write_text("1")
    frames = open_frames(tmp_path)
    assert (frames.names, frames.numbers, frames.numbered) == (("frame1", "frame2", "frame10"), (1, 2, 10), True)
    assert (frames.name, frames.kind, frames.fps, len(frames)) == (tmp_path.name, "folder", None, 3)
    for _ in range(2):
        for image, number in zip(frames, (1, 2, 10), strict=True):
            assert np.array_equal(image, picture(number))
    assert [index for index, _ in frames.without({1})] == [0, 2]


def test_photographs_without_numbers_are_counted(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        Image.fromarray(picture(1)).save(tmp_path / f"{name}.png")
    frames = open_frames(tmp_path)
    assert (frames.names, frames.numbers, frames.numbered) == (("a", "b", "c"), (0, 1, 2), False)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.png").rename(tmp_path / f"{name}_x2.png")
    assert open_frames(tmp_path).numbers == (0, 1, 2)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "npy"])
@pytest.mark.parametrize("colour", [False, True])
def test_every_type_is_read_as_it_looks(suffix: str, colour: bool, tmp_path: Path) -> None:
    values = picture(3) if colour else picture(3)[..., 0]
    path = tmp_path / f"one.{suffix}"
    if suffix == "npy":
        np.save(path, values)
    else:
        Image.fromarray(values).save(path)
    frames = open_frames(path)
    assert (frames.kind, frames.names, frames.numbers) == ("image", ("one",), (0,))
    assert np.array_equal(next(iter(frames)), values)


def test_palettes_and_inks_become_colours(tmp_path: Path) -> None:
    few = Image.fromarray(picture(3)).quantize(16)
    few.save(tmp_path / "few.png")
    assert np.array_equal(next(iter(open_frames(tmp_path / "few.png"))), np.asarray(few.convert("RGB")))
    Image.fromarray(picture(3)).convert("CMYK").save(tmp_path / "inks.jpg", quality=95)
    assert np.abs(next(iter(open_frames(tmp_path / "inks.jpg"))).astype(int) - picture(3)).mean() < 4
    Image.fromarray(picture(3)[..., 0] > 100).save(tmp_path / "two.png")
    assert np.unique(next(iter(open_frames(tmp_path / "two.png")))).tolist() == [0, 255]
    Image.fromarray(picture(3)).convert("LA").save(tmp_path / "clear.png")
    assert next(iter(open_frames(tmp_path / "clear.png"))).shape == (48, 64)


@pytest.mark.parametrize("colour", [False, True])
def test_each_page_is_a_frame(colour: bool, tmp_path: Path) -> None:
    pages = np.stack([picture(n) if colour else picture(n)[..., 0] for n in range(4)])
    kind = "rgb" if colour else "minisblack"
    tifffile.imwrite(tmp_path / "s.tif", pages, photometric=kind)
    tifffile.imwrite(tmp_path / "t.tif", pages, photometric=kind, compression="lzw", metadata=None)
    tifffile.imwrite(tmp_path / "one.tif", pages, photometric=kind, truncate=True)  # one directory for all
    np.save(tmp_path / "n.npy", pages)
    for name in ("s.tif", "t.tif", "one.tif", "n.npy"):
        frames = open_frames(tmp_path / name)
        stem = name.partition(".")[0]
        assert (frames.kind, len(frames), frames.numbers) == ("stack", 4, (0, 1, 2, 3))
        assert frames.names[3] == f"{stem}-000003"
        assert all(np.array_equal(image, page) for image, page in zip(frames, pages, strict=True))


def test_what_holds_no_frames_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "absent.png", "does not exist")
    (tmp_path / "text.doc").write_text("x")
    refused(tmp_path / "text.doc", "no image and no video by its name")
    refused(tmp_path, "holds no image")
    (tmp_path / "inner").mkdir()
    refused(tmp_path, "give one of them")
    (tmp_path / "a.avi").write_bytes(b"x")
    refused(tmp_path, "1 video", "one at a time")
    for name in ("a.png", "a.tif"):
        Image.fromarray(picture(0)).save(tmp_path / "inner" / name)
    refused(tmp_path / "inner", "a.png", "a.tif", "Rename")


def test_pictures_that_no_method_learned_are_named(tmp_path: Path) -> None:
    Image.fromarray(RANDOM.integers(0, 4000, (8, 8)).astype(np.uint16)).save(tmp_path / "deep.png")
    refused(tmp_path / "deep.png", "uint16", "8-bit", "does not state their range")
    (tmp_path / "deep.png").unlink()
    tifffile.imwrite(tmp_path / "float.tif", RANDOM.random((8, 8)).astype(np.float32))
    refused(tmp_path / "float.tif", "float32", "8-bit")
    (tmp_path / "float.tif").unlink()
    tifffile.imwrite(tmp_path / "s.tif", np.zeros((7, 8, 9), np.uint8), photometric="minisblack")
    with pytest.raises(UserError, match=r"s\.tif: holds 7 images.*by itself"):
        list(open_frames(tmp_path))
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\nxxxx")
    refused(tmp_path / "cut.png", "cannot be decoded")
    (tmp_path / "zero.tif").write_bytes(b"")
    refused(tmp_path / "zero.tif", "is empty")


# Videos


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "mjpeg"), ("a.mkv", "libx264"), ("a.mov", "mpeg4"), ("a.mp4", "libx264")]
)
def test_videos_of_every_kind_are_read(name: str, codec: str, tmp_path: Path) -> None:
    path = encode(tmp_path / name, [picture(n) for n in range(12)], codec)
    frames = open_frames(path)
    assert (frames.kind, len(frames), frames.fps, frames.warnings) == ("video", 12, 15.0, ())
    assert frames.numbers == tuple(range(12))
    assert frames.names[11] == "a-000011"
    for number, image in enumerate(frames):
        assert np.abs(image.astype(int) - picture(number)).mean() < 6
    assert [index for index, _ in frames.without({0, 5})] == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]


def test_grey_videos_stay_grey_and_exact(tmp_path: Path) -> None:
    greys = [picture(n)[..., 0] for n in range(5)]
    video = read_video(encode(tmp_path / "grey.mkv", greys, "ffv1"))
    assert all(np.array_equal(a, b) for a, b in zip(video, greys, strict=True))


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (50, 70)])
def test_a_written_video_is_what_was_given(size: tuple[int, int], tmp_path: Path) -> None:
    frames = [picture(n, size) for n in range(20)]
    write_video(tmp_path / "out" / "film.mp4", iter(frames), 14.985)
    video = read_video(tmp_path / "out" / "film.mp4")
    assert (len(video), video.fps) == (20, 14.985)
    for image, frame in zip(video, frames, strict=True):
        assert image.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
        assert np.abs(image[: size[0], : size[1]].astype(int) - frame).mean() < 3
    with av.open(str(tmp_path / "out" / "film.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")


def test_half_a_video_is_never_left(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with pytest.raises(ValueError, match="at least one frame"):
        write_video(path, [], 15)
    with pytest.raises(ValueError, match="in one video"):
        write_video(path, [picture(0), picture(0, (32, 32))], 15)
    for fps in (0.0, -1.0, float("nan")):
        with pytest.raises(UserError, match="frames per second"):
            write_video(path, [picture(0)], fps)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["gaps.mkv", "gaps.mp4"])
def test_a_dropped_frame_keeps_its_place_in_time(name: str, tmp_path: Path) -> None:
    times = [0, 1, 2, 4, 5, 6, 9, 10, 11, 12, 13, 14]
    video = read_video(encode(tmp_path / name, [picture(n) for n in range(12)], "libx264", times))
    assert video.numbers == tuple(times)
    assert video.fps == pytest.approx(15, rel=1e-3)
    assert video.warnings == ()


def test_a_varying_rate_is_said_and_frames_are_counted(tmp_path: Path) -> None:
    times = np.cumsum([0, 10, 16, 10, 15, 10, 16, 10, 15, 10, 16]).tolist()
    path = encode(tmp_path / "phone.mkv", [picture(n) for n in range(11)], "libx264", times, fps=300)
    video = read_video(path)
    assert video.numbers == tuple(range(11))
    assert video.fps == pytest.approx(10 / (times[-1] / 300), rel=1e-2)
    assert "its frame rate varies" in video.warnings[0]


def test_a_video_that_is_cut_off_gives_what_is_left(tmp_path: Path) -> None:
    path = encode(tmp_path / "cut.avi", [picture(n) for n in range(20)], "mjpeg")
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(JPEG, 0, len(data) * 3 // 4) + 200])
    video = read_video(path)
    assert 5 < len(video) < 18
    assert video.numbers == tuple(range(len(video)))
    assert any("of 20 frames can be read" in warning for warning in video.warnings)
    assert all(np.abs(image.astype(int) - picture(n)).mean() < 6 for n, image in enumerate(video))
    mp4 = encode(tmp_path / "cut.mp4", [picture(n) for n in range(20)], "libx264")
    mp4.write_bytes(mp4.read_bytes()[: mp4.stat().st_size // 2])
    refused(mp4, "truncated")


def test_a_damaged_frame_leaves_a_gap(tmp_path: Path) -> None:
    path = encode(tmp_path / "hole.avi", [picture(n) for n in range(10)], "mjpeg")
    data = bytearray(path.read_bytes())
    starts = [i for i in range(len(data) - 3) if data[i : i + 3] == JPEG]
    assert len(starts) == 10
    data[starts[4] : starts[5] - 8] = bytes(starts[5] - 8 - starts[4])
    path.write_bytes(data)
    video = read_video(path)
    assert video.numbers == (0, 1, 2, 3, 5, 6, 7, 8, 9)
    assert any("cannot be decoded" in warning for warning in video.warnings)
    assert np.abs(list(video)[4].astype(int) - picture(5)).mean() < 6


def test_a_size_that_changes_is_named(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.avi", [picture(n) for n in range(3)], "mjpeg").read_bytes()
    other = encode(tmp_path / "b.avi", [picture(0, (32, 32))], "mjpeg").read_bytes()
    jpeg = other[other.index(JPEG) : other.rindex(b"\xff\xd9") + 2]
    place = first.rindex(JPEG)
    end = first.rindex(b"\xff\xd9") + 2
    assert len(jpeg) <= end - place
    path = tmp_path / "changes.avi"
    path.write_bytes(first[:place] + jpeg.ljust(end - place, b"\0") + first[end:])
    refused(path, "frame 2 is 32 x 32", "the first is 48 x 64")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a video at all",
        b"RIFF\xff\xff\xff\xffAVI LIST",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile real.avi\n",
    ],
)
@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".webm"])
def test_what_is_no_video_is_named(content: bytes, suffix: str, tmp_path: Path) -> None:
    encode(tmp_path / "real.avi", [picture(0)], "mjpeg")  # what a playlist would lead to
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    refused(path, "is no video that can be read" if content else "is empty (0 bytes)")
    refused(tmp_path / "real.avi" / "deeper.avi", "does not exist")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    refused(path, "no video stream")


def test_absurd_sizes_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / "big.avi", [picture(0)], "mjpeg")
    monkeypatch.setattr("segbench.io.images.video.MAX_PIXELS", 48 * 64 * 3 - 1)
    refused(path, "48 x 64", "are not read")
    monkeypatch.undo()
    data = bytearray(path.read_bytes())
    header = data.index(b"strf") + 8  # BITMAPINFOHEADER: size, width, height
    data[header + 4 : header + 12] = (30000).to_bytes(4, "little") * 2
    jpeg = data.index(b"\xff\xc0", data.index(JPEG))  # start of frame: height, width
    data[jpeg + 5 : jpeg + 9] = (60000).to_bytes(2) * 2
    path.write_bytes(data)
    refused(path)
    assert images.MAX_PIXELS < 30000 * 30000


def test_a_video_that_changed_meanwhile_is_named(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", [picture(n) for n in range(6)], "mjpeg")
    video = read_video(path)
    encode(path, [picture(n) for n in range(3)], "mjpeg")
    with pytest.raises(UserError, match="now has 3 frames, and had 6"):
        list(video)


@pytest.mark.slow
def test_the_real_videos() -> None:
    folder = SHARED / "data" / "heartseg" / "videos"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: real data is not part of the project (set SEGBENCH_TEST_DATA)")
    known = json.loads((folder / "heart_rate.json").read_text())["videos"]
    for name, about in known.items():
        frames = open_frames(folder / f"{name}.avi")
        assert (len(frames), frames.fps, frames.warnings) == (about["frames"], about["fps"], ())
        assert frames.numbers == tuple(range(about["frames"]))
        assert frames.names[100] == f"{name}-000100"
        assert next(iter(frames)).shape == (480, 640, 3)


def test_pictures_that_are_not_read_are_named_beside_those_that_are(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    for name in ("b.heic", "c.HEIC", "d.jp2", "film.mp4", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    frames = open_frames(tmp_path)
    assert frames.names == ("a",)
    assert frames.warnings == (
        f"'{tmp_path}' also holds 2 .heic files, 1 .jp2 file, which are not read: save them as PNG",
        f"'{tmp_path}' also holds 1 video (film.mp4), left out: give each by itself",
    )
