"""Models that map an array of pixels to an array of classes: what TorchScript and ONNX share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...types import Uint8
from .card import ModelCard
from .files import ran
from .method import ExistingMethod

if TYPE_CHECKING:
    import torch

    from .outputs import Outputs


class TensorModel(ExistingMethod):
    """A model of tensors. A subclass says `given_for` beside what `ExistingMethod` asks for."""

    @abstractmethod
    def given_for(self, images: torch.Tensor) -> Any:
        """What the model returns for (B, C, H, W) float32 on the model's device."""

    def outputs_of(self, images: Sequence[Uint8], card: ModelCard) -> list[Outputs]:
        """Prepare images (H, W) or (H, W, 3), run, and bring what comes back to the size of each."""
        import torch

        from .inputs import prepared
        from .outputs import chosen_output, of_image

        name, device = self.info.name, self._device()
        batch = torch.cat([prepared(image, card, device) for image in images])
        sides = (int(batch.shape[-2]), int(batch.shape[-1]))
        height, width = images[0].shape[:2]
        with torch.inference_mode():
            given = torch.as_tensor(chosen_output(ran(name, sides, lambda: self.given_for(batch)), name))
            parts = [given] if len(images) == 1 or not given.dim() else [part[None] for part in given]
            return [of_image(part, card, sides, (height, width), name) for part in parts]

    def _device(self) -> str:
        """Where the model's inputs are made."""
        return "cpu"
