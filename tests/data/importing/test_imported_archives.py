"""An archive of what a tool wrote becomes the folder that its content becomes, and hostile ones are refused."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from places import ROOT
from segbench.commands.import_data import ImportRequest, import_data
from segbench.data.importing.documents import ImportedData
from segbench.errors import UserError
from segbench.io.reporter import Reporter

FILES = ROOT / "tests" / "golden" / "imports"
TOOLS = (
    "labelme",
    "datumaro_coco",
    "datumaro_cvat",
    "datumaro_voc",
    "ultralytics_yolo",
    "huggingface_saved",
    "huggingface_parquet",
)


def imported(source: Path, out: Path) -> ImportedData:
    return import_data(ImportRequest(source, out), Reporter(quiet=True))


def packed(folder: Path, archive: Path, inside: str = "") -> Path:
    """An archive of a folder's files, below a folder inside it where that has a name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as zipped:
            for path in files:
                zipped.write(path, Path(inside) / path.relative_to(folder))
            zipped.writestr("__MACOSX/._x", b"what macOS adds")
    else:
        with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w") as tar:
            for path in files:
                tar.add(path, Path(inside) / path.relative_to(folder))
    return archive


def content(root: Path) -> dict[str, bytes]:
    """All that was made but the report, and the line that names the source, by its path."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    found = {name: path.read_bytes() for name, path in files.items() if name != "import.json"}
    return {**found, "classes.yaml": found["classes.yaml"].partition(b"\n")[2]}


@pytest.mark.parametrize("tool", TOOLS)
def test_an_archive_of_every_tool_gives_the_same_folder(tool: str, tmp_path: Path) -> None:
    plain = imported(FILES / tool, tmp_path / "plain" / "mine")
    for name, inside in (("a.zip", ""), ("b.tar.gz", "export"), ("c.zip", "export"), ("d.tar", "")):
        archive, out = packed(FILES / tool, tmp_path / name, inside), tmp_path / name.partition(".")[0] / "mine"
        found = imported(archive, out)
        assert content(out) == content(tmp_path / "plain" / "mine"), name
        assert not any(path.is_symlink() for path in out.rglob("*"))
        assert (found.format, found.n, found.masks, found.classes) == (
            plain.format,
            plain.n,
            plain.masks,
            plain.classes,
        )
        assert found.source == str(archive)
        assert json.loads((out / "import.json").read_text(encoding="utf-8"))["source"] == str(archive)
    assert not list(tmp_path.rglob("*.tmp"))


def refused(archive: Path, tmp_path: Path) -> str:
    with pytest.raises(UserError) as caught:
        imported(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob("*.tmp"))
    assert ".tmp" not in str(caught.value)
    return str(caught.value)


def test_hostile_and_broken_archives_are_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.zip"
    with zipfile.ZipFile(outside, "w") as zipped:
        zipped.writestr("../evil.json", "{}")
    assert "leaves the folder" in refused(outside, tmp_path)
    assert not (tmp_path / "evil.json").exists()
    link = tmp_path / "link.tar"
    with tarfile.open(link, "w") as tar:
        entry = tarfile.TarInfo("a.png")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(entry)
    assert "is a link or a device" in refused(link, tmp_path)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as zipped, zipped.open("a.json", "w") as file:
        for _ in range(1100):
            file.write(bytes(1_000_000))
    assert "would unpack to more than" in refused(bomb, tmp_path)
    whole = packed(FILES / "datumaro_coco", tmp_path / "whole.zip")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole.read_bytes()[:-100])
    assert "is broken or cut short" in refused(cut, tmp_path)


def test_an_archive_without_annotations_is_named_by_itself(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("a.txt", "nothing")
    assert f"'{archive}' holds no annotations that are known" in refused(archive, tmp_path)
    broken = tmp_path / "broken.tar"
    with tarfile.open(broken, "w") as tar:
        text = b'{"shapes": [], "imagePath": "gone.png"'
        entry = tarfile.TarInfo("x.json")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    assert str(broken) in refused(broken, tmp_path)
