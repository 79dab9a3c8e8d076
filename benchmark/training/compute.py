"""Where and in what precision the arithmetic runs: the one place to change for training on several devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from ..errors import UserError

Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True)
class Compute:
    """One device and its precision.

    The training loop reaches the hardware through this object alone, so `accelerate` can take its place: `place` is
    its `prepare`, `autocast` its `autocast`, `backward` its `backward` and `clip_grad_norm_`.
    """

    device: torch.device
    bf16: bool

    @classmethod
    def choose(cls, device: str, precision: Precision) -> Compute:
        """The device of that name; `auto` takes bf16 where the hardware computes it natively, float32 elsewhere."""
        try:
            chosen = torch.device(device)
            torch.empty(1, device=chosen)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"device '{device}' cannot be used here ({reason}). Try --device cpu.") from None
        return cls(chosen, precision == "bf16" or (precision == "auto" and _has_native_bf16(chosen)))

    def place(self, model: nn.Module) -> nn.Module:
        """Move a model to the device, channels last where that is the fast layout."""
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        return model.to(self.device, memory_format=layout)  # type: ignore[call-overload,no-any-return]

    def images(self, batch: torch.Tensor) -> torch.Tensor:
        """Move a (B, C, H, W) batch to the device in the layout of the model."""
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        return batch.to(self.device).contiguous(memory_format=layout)

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Automatic mixed precision for the forward pass."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            yield

    def backward(self, loss: torch.Tensor, model: nn.Module, clip_norm: float) -> None:
        """Gradients of `loss`, clipped to a global norm (0: not clipped)."""
        loss.backward()  # type: ignore[no-untyped-call]
        if clip_norm:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)

    @property
    def _channels_last(self) -> bool:
        return self.bf16 and self.device.type in ("cpu", "cuda")


def _has_native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Processors without these instructions emulate bf16, several times slower than float32.
        able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False
