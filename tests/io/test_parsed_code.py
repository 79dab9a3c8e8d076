"""What was made of Python files is kept by their content, and never believed where it could be anything else."""

from __future__ import annotations

from pathlib import Path

from segbench.io.parsed_code import ParsedCode
from segbench.io.source_code import source_code


def _module(folder: Path, text: str) -> Path:
    path = folder / "part.py"
    path.write_text(text)
    return path


def _known(folder: Path) -> Path:
    return folder / "cache" / "code.json"


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    for text in ("from .other import one\nA = 1\n", "from .other import one\nA = 2\n"):
        path = _module(tmp_path, text)
        for package in ("first", "second"):
            expected = source_code(path, f"{package}.part")
            for _ in range(2):
                parsed = ParsedCode(_known(tmp_path))
                assert parsed.of(path, f"{package}.part") == expected
                parsed.save()


def test_what_is_known_is_not_parsed_again(tmp_path: Path) -> None:
    path = _module(tmp_path, "A = 1\n")
    first = ParsedCode(_known(tmp_path))
    expected = first.of(path, "package.part")
    first.save()
    written = _known(tmp_path).stat().st_mtime_ns, _known(tmp_path).stat().st_ino
    again = ParsedCode(_known(tmp_path))
    assert again.of(path, "package.part") == expected
    again.save()
    assert (_known(tmp_path).stat().st_mtime_ns, _known(tmp_path).stat().st_ino) == written


def test_a_changed_byte_voids_what_is_known(tmp_path: Path) -> None:
    path = _module(tmp_path, "A = 1\n")
    expected = source_code(path, "package.part")
    first = ParsedCode(_known(tmp_path))
    first.of(path, "package.part")
    first.save()
    whole = _known(tmp_path).read_bytes()
    place = whole.index(expected.sha256.encode())
    damaged = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :], whole[:-1], b"", b"\xff", b"\n{}\n"]
    for content in damaged:
        _known(tmp_path).write_bytes(content)
        parsed = ParsedCode(_known(tmp_path))
        assert parsed.of(path, "package.part") == expected
        parsed.save()
        assert _known(tmp_path).read_bytes() == whole


def test_without_a_place_to_write_all_is_parsed(tmp_path: Path) -> None:
    path = _module(tmp_path, "A = 1\n")
    _known(tmp_path).parent.write_text("a file where the folder should be")
    for known in (ParsedCode(_known(tmp_path)), ParsedCode()):
        assert known.of(path, "package.part") == source_code(path, "package.part")
        known.save()
