"""A model file that is damaged anywhere is refused, before torch reads it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from segbench.errors import UserError
from segbench.methods.existing.files import torch_kind


def test_no_byte_of_an_exported_program_does_more_than_be_refused(tmp_path: Path) -> None:
    """Every byte of an archive, changed in turn: lengths, ways of compression, and what is compressed."""
    path, refused = tmp_path / "net.pt2", 0
    weights = '{"config": {"w": {"path_name": "weight_0", "use_pickle": false}}}'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/archive_format", "pt2")
        archive.writestr("net/models/model.json", "{}")
        archive.writestr("net/data/weights/model_weights_config.json", weights)
    data = path.read_bytes()
    assert torch_kind(path) == "exported program"
    for place in range(len(data)):
        for value in (0, 127, 255):
            path.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
            try:
                torch_kind(path)
            except UserError:
                refused += 1
    assert 0 < refused < 3 * len(data)
