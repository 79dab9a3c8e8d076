"""Files of many images: which of them are frames, and the interval and pixel size that the file itself states."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segbench.errors import UserError
from segbench.io.images import tiff
from segbench.io.images.masks import read_labels
from segbench.io.images.picture import read_picture, read_pictures
from segbench.io.images.read import count_pages, read_array
from segbench.io.images.stacks import Chosen, open_stack

SIZES = {"T": 4, "Z": 3, "C": 2}


def numbered(axes: str, dtype: type = np.uint8) -> Any:
    """Images whose value is their place along each axis: 100 t + 10 z + c."""
    weights = {"T": 50, "Z": 10, "C": 1}
    values = np.zeros([SIZES[axis] for axis in axes], np.int64)
    for place, axis in enumerate(axes):
        along = np.arange(SIZES[axis]) * weights[axis]
        values += along.reshape([-1 if n == place else 1 for n in range(len(axes))])
    return np.broadcast_to(values[..., None, None], (*values.shape, 8, 9)).astype(dtype).copy()


def write(path: Path, axes: str, kind: str, **metadata: Any) -> Path:
    """A stack as ImageJ (`imagej`, in one directory `contiguous`) or OME writes it."""
    values = numbered(axes)
    options: dict[str, Any] = {"ome": True} if kind == "ome" else {"imagej": True}
    tifffile.imwrite(
        path,
        values,
        photometric="minisblack",
        metadata={"axes": f"{axes}YX", **metadata},
        contiguous=kind != "pages",
        **options,
    )
    return path


def values_of(path: Path, chosen: Chosen) -> list[int]:
    """The value of every frame, as it is decoded."""
    return [int(image[0, 0]) for _, image in read_pictures(path, frozenset(open_stack(path).frames(chosen)))]


@pytest.mark.parametrize("kind", ["imagej", "ome"])
@pytest.mark.parametrize(
    ("axes", "needed", "chosen", "expected"),
    [
        ("T", "", Chosen(), [0, 50, 100, 150]),
        ("Z", "", Chosen(), [0, 10, 20]),
        ("Z", "", Chosen(z=2), [10]),
        ("C", "--channel", Chosen(channel=2), [1]),
        ("TZ", "--z", Chosen(z=3), [20, 70, 120, 170]),
        ("TC", "--channel", Chosen(channel=1), [0, 50, 100, 150]),
        ("ZC", "--channel", Chosen(channel=2), [1, 11, 21]),
        ("TZC", "--z", Chosen(channel=2, z=1), [1, 51, 101, 151]),
    ],
)
def test_time_points_are_frames_and_of_other_axes_one_is_chosen(
    axes: str, needed: str, chosen: Chosen, expected: list[int], kind: str, tmp_path: Path
) -> None:
    path = write(tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif"), axes, kind)
    stack = open_stack(path)
    assert (stack.axes, stack.sizes) == (axes, tuple(SIZES[axis] for axis in axes))
    assert values_of(path, chosen) == expected
    if needed:
        with pytest.raises(UserError, match=rf"a.*tif: is a hyperstack.*axes {axes}YX.*{needed} N \(1 to"):
            stack.frames()
    for axis, option in (("C", "channel"), ("Z", "z")):
        with pytest.raises(UserError, match=f"--{option} 9"):
            stack.frames(Chosen(**{option: 9}))
        with pytest.raises(UserError, match=f"--{option} 0"):
            stack.frames(Chosen(**{option: 0}))
        if axis not in axes:
            with pytest.raises(UserError, match=f"--{option} 2"):
                stack.frames(Chosen(**{option: 2}))


def test_axes_of_ome_may_come_in_another_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.tif", "ZT", "ome")
    assert open_stack(path).axes == "ZT"
    assert values_of(path, Chosen(z=2)) == [10, 60, 110, 160]


def test_plain_pages_and_arrays_are_frames(tmp_path: Path) -> None:
    values = numbered("T")
    tifffile.imwrite(tmp_path / "shaped.tif", values, photometric="minisblack")
    with tifffile.TiffWriter(tmp_path / "pages.tif") as tif:
        for page in values:
            tif.write(page, contiguous=False, metadata=None)
    np.save(tmp_path / "a.npy", values)
    for name in ("shaped.tif", "pages.tif", "a.npy"):
        assert values_of(tmp_path / name, Chosen()) == [0, 50, 100, 150]
        assert not open_stack(tmp_path / name).slices_as_frames
    tifffile.imwrite(tmp_path / "four.tif", numbered("TZ"), photometric="minisblack")
    with pytest.raises(UserError, match="each film as a file of its own"):
        open_stack(tmp_path / "four.tif").frames()


def test_an_array_of_more_axes_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", numbered("TZ"))
    with pytest.raises(UserError, match=r"a\.npy: has shape \(4, 3, 8, 9\)"):
        open_stack(tmp_path / "a.npy")


def test_positions_of_a_stage_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        for _ in range(2):
            tif.write(numbered("T"), photometric="minisblack", metadata={"axes": "TYX"})
    with pytest.raises(UserError, match="2 series"):
        open_stack(tmp_path / "a.ome.tif")


@pytest.mark.parametrize(
    ("metadata", "seconds"),
    [
        ({"finterval": 1 / 30}, 1 / 30),
        ({"finterval": 40, "tunit": "ms"}, 0.04),
        ({"finterval": 2, "tunit": "min"}, 120),
        ({"finterval": 0}, None),
        ({"finterval": 5, "tunit": "fortnight"}, None),
        ({"fps": 7}, None),
        ({}, None),
    ],
)
def test_the_frame_interval_of_imagej_is_in_its_own_unit(
    metadata: dict[str, Any], seconds: float | None, tmp_path: Path
) -> None:
    found = open_stack(write(tmp_path / "a.tif", "T", "imagej", **metadata)).interval_s
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("unit", "resolution", "size"),
    [
        ("micron", (2.0, 4.0), (0.25, 0.5)),
        ("\\u00B5m", (2.0, 4.0), (0.25, 0.5)),
        ("um", (1.0, 1.0), (1.0, 1.0)),
        ("mm", (1000.0, 1000.0), (1.0, 1.0)),
        ("nm", (0.5, 0.5), (0.002, 0.002)),
        ("pixel", (1.0, 1.0), None),
        ("", (72.0, 72.0), None),
    ],
)
def test_the_pixel_size_of_imagej(
    unit: str, resolution: tuple[float, float], size: tuple[float, float] | None, tmp_path: Path
) -> None:
    path, metadata = tmp_path / "a.tif", {"axes": "TYX", **({"unit": unit} if unit else {})}
    tifffile.imwrite(path, numbered("T"), imagej=True, resolution=resolution, metadata=metadata)
    found = open_stack(path).pixel_size_um
    assert found == (None if size is None else pytest.approx(size))


def test_a_print_resolution_is_no_size_of_a_pixel(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", numbered("T"), photometric="minisblack", resolution=(72, 72))
    assert open_stack(tmp_path / "a.tif").pixel_size_um is None


def test_interval_and_size_of_ome(tmp_path: Path) -> None:
    said = {"PhysicalSizeX": 500, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.25}
    path = write(tmp_path / "a.ome.tif", "T", "ome", TimeIncrement=20, TimeIncrementUnit="ms", **said)
    stack = open_stack(path)
    assert stack.interval_s == pytest.approx(0.02)
    assert stack.pixel_size_um == pytest.approx((0.25, 0.5))
    plane = {"DeltaT": [0.0, 0.1, 0.2, 0.3], "DeltaTUnit": ["s"] * 4}
    path = write(tmp_path / "b.ome.tif", "T", "ome", Plane=plane)
    assert open_stack(path).interval_s == pytest.approx(0.1)
    assert open_stack(path).pixel_size_um is None


@pytest.mark.parametrize("kind", ["pages", "ome"])
def test_a_stack_read_page_by_page_is_looked_at_once(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not once for every page, which takes a thousand pages a thousand times as long."""
    path = write(tmp_path / "film.tif", "T", kind)
    looked: list[Path] = []
    check = tiff._check_complete

    def counted(path: Path, tif: tifffile.TiffFile) -> None:
        looked.append(path)
        check(path, tif)

    monkeypatch.setattr(tiff, "_check_complete", counted)
    for _ in range(2):
        assert [int(read_picture(path, page)[0, 0]) for page in range(4)] == [0, 50, 100, 150]
        assert [int(read_labels(path, page, binary=False)[0, 0]) for page in range(4)] == [0, 50, 100, 150]
        with pytest.raises(UserError, match="no page 4"):
            read_picture(path, 4)
    assert looked == [path]


def test_a_stack_that_changed_is_looked_at_anew(tmp_path: Path) -> None:
    path, other = tmp_path / "film.tif", tmp_path / "other.tif"
    pages = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((8, 9), np.uint8)
    tifffile.imwrite(path, pages, photometric="minisblack", compression="zlib")
    assert read_picture(path, 2).max() == 2
    tifffile.imwrite(other, pages[::-1], photometric="minisblack", compression="zlib")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    assert read_picture(path, 2).max() == 3
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        read_picture(path, 2)


def test_threads_read_the_pages_of_one_stack_at_once(tmp_path: Path) -> None:
    path = tmp_path / "film.tif"
    pages = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((64, 64), np.uint8)
    tifffile.imwrite(path, pages, photometric="minisblack", compression="zlib")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda page: read_picture(path, page), [*range(40)] * 10))
    assert (np.stack(found) == np.concatenate([pages] * 10)).all()


def test_the_pages_of_an_archive_are_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And for its number of pages not at all: an array file with compression can be unpacked only whole."""
    path, pages = tmp_path / "film.npz", np.arange(5 * 3 * 6, dtype=np.uint8).reshape(5, 3, 6)
    np.savez_compressed(path, pages)
    unpacked: list[int] = []
    read = np.lib.npyio.NpzFile.__getitem__

    def counted(self: Any, key: str) -> Any:
        unpacked.append(1)
        return read(self, key)

    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", counted)
    assert (count_pages(path), open_stack(path).sizes) == (5, (5,))
    assert not unpacked
    for _ in range(2):
        assert all((read_array(path, page) == pages[page]).all() for page in range(5))
    assert len(unpacked) == 1
    first = read_array(path, 0)
    first[:] = 9
    assert (read_array(path, 0) == pages[0]).all()
    np.savez_compressed(path, pages[:, :2])
    assert (read_array(path, 4) == pages[4, :2]).all()


@pytest.mark.parametrize("kind", ["imagej", "truncated", "big-endian", "colour", "volume", "packed volume"])
def test_a_page_of_a_stack_with_one_directory_is_read_alone(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not all images for each of them, or where these can be unpacked only together, once."""
    path = tmp_path / "film.tif"
    shape = (16, 32, 16, 3) if kind == "colour" else (16, 32, 16)
    pages = np.random.default_rng(0).integers(0, 60_000, shape, np.uint16)
    options: dict[str, dict[str, Any]] = {
        "imagej": {"imagej": True, "truncate": True},
        "truncated": {"truncate": True},
        "big-endian": {"truncate": True, "byteorder": ">"},
        "colour": {"truncate": True, "photometric": "rgb"},
        "volume": {"volumetric": True, "tile": (16, 32, 16)},
        "packed volume": {"volumetric": True, "tile": (16, 16, 16), "compression": "zlib"},
    }
    tifffile.imwrite(path, pages, **options[kind])
    read: list[int] = []
    whole = tiff._all_of

    def counted(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Any:
        read.append(1)
        return whole(tif, series)

    monkeypatch.setattr(tiff, "_all_of", counted)
    for page in range(16):
        found = read_array(path, page)
        assert found.dtype == np.uint16
        assert found.dtype.isnative
        assert (found == pages[page]).all()
    assert len(read) == (kind == "packed volume")
    with pytest.raises(UserError, match="out of bounds"):
        read_array(path, 16)


def test_a_very_long_stack_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the places of its directories are kept, and no directory but that of the page is read again."""
    path = write(tmp_path / "film.tif", "T", "pages")
    monkeypatch.setattr(tiff, "_KEPT_PAGES", 2)
    looked: list[Path] = []
    check = tiff._check_complete

    def counted(path: Path, tif: tifffile.TiffFile) -> None:
        looked.append(path)
        check(path, tif)

    monkeypatch.setattr(tiff, "_check_complete", counted)
    assert [int(read_picture(path, page)[0, 0]) for page in range(4)] == [0, 50, 100, 150]
    assert [int(read_labels(path, page, binary=False)[0, 0]) for page in range(4)] == [0, 50, 100, 150]
    directories: list[int] = []
    start = tifffile.TiffPage.__init__

    def started(self: Any, *arguments: Any, **named: Any) -> None:
        directories.append(1)
        start(self, *arguments, **named)

    monkeypatch.setattr(tifffile.TiffPage, "__init__", started)
    assert int(read_picture(path, 3)[0, 0]) == 150
    assert looked == [path]
    assert len(directories) < 4
