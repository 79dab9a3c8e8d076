"""`torch:FILE`: a trained network as TorchScript (`.pt`, `.ts`) or as an exported program (`.pt2`).

It runs the code in the file. What it expects and what its outputs mean stands in a model card, `FILE.yaml` beside it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from segbench.io.fingerprints import file_sha256
from segbench.methods.existing.files import loaded, model_file, torch_kind
from segbench.methods.existing.method import existing
from segbench.methods.existing.tensors import TensorModel

if TYPE_CHECKING:
    import torch

ENDINGS = (".pt", ".ts", ".pt2")


class TorchFile(TensorModel):
    """A TorchScript module or an exported program; `named` gives the method of one file."""

    prefix = "torch"
    info = existing(
        "torch:<FILE>",
        "a network in a TorchScript file or an exported program, as it is",
        "Paszke et al.: PyTorch, 2019; https://docs.pytorch.org/docs/stable/export.html",
        runs_code=True,
    )

    _network: Any = None
    _place_of_tensors = "cpu"

    def digest(self) -> str:
        """SHA-256 of the file, whose kind is looked at without loading it."""
        path = model_file(self.source, self.prefix, ENDINGS)
        torch_kind(path)
        return file_sha256(path)

    def given_for(self, images: torch.Tensor) -> Any:
        """What the network returns for (B, C, H, W) float32."""
        return self._network(images)

    def parameters(self) -> int | None:
        """Values of all weights; None of a frozen TorchScript module, whose weights are constants of its code."""
        return None if self._network is None else sum(each.numel() for each in self._network.parameters()) or None

    def macs(self, shape: tuple[int, int]) -> int | None:
        """Multiply-accumulate operations of convolutions, matrix products and attention for one image."""
        import numpy as np

        from segbench.methods.training.macs import counted_macs

        card, _ = self._ready()
        return counted_macs(lambda: self.outputs_of([np.zeros(shape, np.uint8)], card)) or None

    def _load(self, device: str) -> None:
        import torch

        path = model_file(self.source, self.prefix, ENDINGS)
        kind = torch_kind(path)

        def network() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # TorchScript is on its way out, and files are there
                if kind == "TorchScript":
                    load: Any = torch.jit.load
                    return load(str(path), map_location=device).eval()
                return torch.export.load(str(path)).module().to(device)

        self._network, self._place_of_tensors = loaded(kind, path, network), device

    def _device(self) -> str:
        return self._place_of_tensors
