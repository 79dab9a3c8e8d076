"""`onnx:FILE`: a trained network as ONNX, run by onnxruntime (`pip install 'segbench[onnx]'`).

What it expects and what its outputs mean stands in a model card, `FILE.yaml` beside it; a fixed input size and the
number of channels are read from the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segbench.errors import UserError
from segbench.io.fingerprints import file_sha256, files_sha256
from segbench.methods.existing.card import OUTPUT_NAMES, ModelCard
from segbench.methods.existing.files import check_model_size, loaded, model_file
from segbench.methods.existing.method import existing, missing_extra
from segbench.methods.existing.tensors import TensorModel

if TYPE_CHECKING:
    import torch

ENDINGS = (".onnx",)
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


class OnnxFile(TensorModel):
    """An ONNX model; `named` gives the method of one file."""

    prefix = "onnx"
    info = existing(
        "onnx:<FILE>",
        "a network in an ONNX file, run by onnxruntime",
        "ONNX: https://onnx.ai; ONNX Runtime: https://onnxruntime.ai",
        accelerated=False,
    )

    _session: Any = None
    _weights = 0

    def digest(self) -> str:
        """SHA-256 of the file, and of the files of weights beside it that it names."""
        path = model_file(self.source, self.prefix, ENDINGS)
        outside = sorted(self._outside(path, self._read(path)))
        return files_sha256([path, *outside]) if outside else file_sha256(path)

    def given_for(self, images: torch.Tensor) -> Any:
        """The output named as a segmentation's, else the first, for (B, C, H, W) float32."""
        (taken,) = self._session.get_inputs()[:1]
        values = images.numpy()
        dtype = _DTYPES[taken.type]
        values = np.clip(np.rint(values), 0, 255).astype(dtype) if dtype == np.uint8 else values.astype(dtype)
        names = [each.name for each in self._session.get_outputs()]
        wanted = next((name for name in OUTPUT_NAMES if name in names), names[0])
        given = self._session.run([wanted], {taken.name: values})[0]
        return given.astype(np.float32) if given.dtype == np.float16 else given

    def parameters(self) -> int:
        """Values of the weights in the file."""
        return self._weights

    def _load(self, device: str) -> None:
        del device
        path = model_file(self.source, self.prefix, ENDINGS)
        try:
            import onnxruntime
        except ImportError:
            raise missing_extra("onnxruntime", "onnx", self.info.name) from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = loaded(
            "ONNX", path, lambda: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        )
        self._weights = sum(int(np.prod(list(each.dims) or [1])) for each in self._read(path).graph.initializer)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _DTYPES or len(inputs[0].shape) != 4:
            told = ", ".join(f"{each.name}: {each.type} {each.shape}" for each in inputs)
            raise UserError(f"{path}: takes {told}; expected one input of images (batch, channels, height, width)")
        self._opened = self._told_by_file(path, self._ready()[0], inputs[0]), self._ready()[1]

    def _told_by_file(self, path: Path, card: ModelCard, taken: Any) -> ModelCard:
        """The card with the input size that the file fixes. Raises UserError where the two do not fit together."""
        _, channels, *sides = taken.shape
        wanted = 1 if card.channels == "grey" else 3
        if isinstance(channels, int) and channels != wanted:
            hint = "channels: grey" if channels == 1 else "channels: rgb"
            advice = f"Write '{hint}' into its model card" if channels in (1, 3) else "Export it for images of 1 or 3"
            raise UserError(f"{path}: takes {channels} channels, the card gives it {wanted}. {advice}.")
        if not all(isinstance(side, int) for side in sides):
            return card
        if card.size is not None and card.size != sides:
            raise UserError(f"{path}: takes images of {sides}, its card says size: {card.size}. Leave it out.")
        return card.model_copy(update={"size": list(sides), "stride": None})

    def _read(self, path: Path) -> Any:
        """The file's description of the model, without weights that lie outside."""
        try:
            import onnx
        except ImportError:
            raise missing_extra("onnx", "onnx", self.info.name) from None
        return loaded("ONNX", path, lambda: onnx.load(str(path), load_external_data=False))

    def _outside(self, path: Path, model: Any) -> Iterator[Path]:
        """Files of weights that the model names; each has to lie in its folder.

        Raises UserError for one that is not there, or lies elsewhere.
        """
        folder, found = path.resolve().parent, set()
        for tensor in _tensors(model.graph):
            named = {entry.key: entry.value for entry in tensor.external_data}.get("location")
            if named is None or named in found:
                continue
            found.add(named)
            place = (folder / named).resolve()
            if not place.is_relative_to(folder):
                raise UserError(f"{path}: names weights outside its folder ('{named}'), which are not read")
            if not place.is_file():
                raise UserError(f"{path}: its weights '{named}' are missing. Put that file beside it.")
            check_model_size(place, place.stat().st_size)
            yield place


def _tensors(graph: Any) -> Iterator[Any]:
    """Every tensor of a graph and of the graphs inside it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from ([attribute.t] if attribute.HasField("t") else [])
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _tensors(inner)
