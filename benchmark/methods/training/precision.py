"""Where and in what precision the arithmetic runs, alone or side by side with other processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from ...errors import UserError
from ...runs.devices import joined
from ...types import Array

if TYPE_CHECKING:
    from accelerate import Accelerator

Precision = Literal["auto", "fp32", "tf32", "bf16", "fp16"]


@dataclass(frozen=True)
class Compute:
    """One device and its precision; `tf32`: a GPU may round what it multiplies in float32 to 10 bits."""

    device: torch.device
    dtype: torch.dtype
    tf32: bool = False

    @classmethod
    def choose(cls, device: str, precision: Precision) -> Compute:
        """The device of that name; `auto` takes bf16 where the hardware is faster with it, float32 elsewhere.

        Raises UserError for a precision that the device cannot compute.
        """
        try:
            chosen = torch.device(device)
            torch.empty(1, device=chosen)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"device '{device}' cannot be used here ({reason}). Try --device cpu.") from None
        if precision == "fp16" and chosen.type == "cpu":
            raise UserError("precision=fp16 is for a GPU: processors are slower with it. Set precision=auto.")
        if precision == "auto":
            precision = "bf16" if _is_faster_in_bf16(chosen) else "fp32"
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
        return cls(chosen, dtype, tf32=precision == "tf32")

    @property
    def arithmetic_name(self) -> str:
        """What `precision` calls it."""
        names = {torch.bfloat16: "bf16", torch.float16: "fp16"}
        return names.get(self.dtype, "tf32" if self.tf32 else "fp32")

    def place(self, model: nn.Module, *, training: bool = False) -> nn.Module:
        """Move a model to the device, channels last where that is the fast layout."""
        return model.to(self.device, memory_format=self._layout(training))  # type: ignore[call-overload,no-any-return]

    def move(self, array: Array) -> torch.Tensor:
        """An array of any shape and dtype as a tensor on the device."""
        return sent(array, self.device)

    def images(self, batch: torch.Tensor, *, training: bool = False) -> torch.Tensor:
        """Move a (B, C, H, W) batch to the device in the layout of the model."""
        return batch.to(self.device).contiguous(memory_format=self._layout(training))

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """What a GPU's float32 means until the end: all its bits, or TF32 where that is the precision.

        PyTorch's own default lets convolutions round and matrix products not.
        """
        with _float32_restored():
            torch.backends.cudnn.allow_tf32 = self.tf32
            for layers in _layers():
                layers.fp32_precision = "tf32" if self.tf32 else "ieee"
            torch.set_float32_matmul_precision("high" if self.tf32 and self.device.type == "cuda" else "highest")
            yield

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Automatic mixed precision for the forward pass."""
        if self.dtype == torch.float32:
            yield
            return
        with torch.autocast(self.device.type, self.dtype):
            yield

    def scaler(self) -> torch.amp.GradScaler | None:
        """What scales losses so that small gradients are no zeros in float16, whose exponents are few; else None."""
        return torch.amp.GradScaler(self.device.type) if self.dtype == torch.float16 else None

    def _layout(self, training: bool) -> torch.memory_format:
        """Channels last where that is faster.

        GPUs are where tensor cores compute. Processors are, by a fifth to a third; but with AVX2 alone the backward
        pass takes so much longer that a step of training takes up to half as long again.
        """
        if self.device.type == "cpu":
            channels_last = not (training and torch.backends.cpu.get_cpu_capability() == "AVX2")
        else:
            channels_last = self.dtype != torch.float32 and self.device.type == "cuda"
        return torch.channels_last if channels_last else torch.contiguous_format


def sent(array: Array, device: torch.device) -> torch.Tensor:
    """An array of any shape and dtype as a tensor on a device.

    A GPU fetches it from pinned memory in its turn; from any other the processor would wait until the GPU has done all
    that it was given before.
    """
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@dataclass
class Stepper:
    """The backward half of a training step, in one process or in several that `accelerate launch` has started.

    Each process computes its part of every batch; gradients are averaged over them by accelerate.
    """

    compute: Compute
    model: nn.Module
    optimizer: torch.optim.Optimizer
    clip_norm: float
    scaler: torch.amp.GradScaler | None = None
    _team: Accelerator | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._team = joined(self.compute.device.type)

    @property
    def rank(self) -> int:
        """Which of the processes this is; 0 writes checkpoints."""
        return 0 if self._team is None else int(self._team.process_index)

    @property
    def count(self) -> int:
        """How many processes share each batch."""
        return 1 if self._team is None else int(self._team.num_processes)

    def prepare(self, module: nn.Module) -> nn.Module:
        """What a step calls in place of `module`."""
        if self._team is None:
            return module
        prepared: nn.Module = self._team.prepare_model(module)
        return prepared

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        """What gradients are taken of in place of a scalar `loss`, until `step` undoes it."""
        scaled: torch.Tensor = loss if self.scaler is None else self.scaler.scale(loss)
        return scaled

    def step(self) -> None:
        """Clip the gradients of a scaled loss to a global norm (0: not clipped); one step of the optimizer."""
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if self.clip_norm:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()

    def agree(self, value: float) -> float:
        """What the first process says: clocks differ, and all have to do the same."""
        if self._team is None:
            return value
        from accelerate.utils import broadcast

        shared: Any = broadcast(torch.tensor(value, dtype=torch.float64, device=self._team.device))
        return float(shared)

    def add(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of a scalar tensor over all processes, each of which has to ask."""
        if self._team is None:
            return value
        total: torch.Tensor = self._team.reduce(value, reduction="sum")
        return total

    def wait(self) -> None:
        """Until all processes are here."""
        if self._team is not None:
            self._team.wait_for_everyone()


@contextmanager
def algorithms(*, deterministic: bool, one_size: bool) -> Iterator[None]:
    """How a GPU computes: `deterministic`, with the same bits every time, where there is such a way; slower.

    Otherwise the fastest algorithm for each convolution is found by trying, which pays where all batches have
    `one_size`: FCN on VGG-16 trains twice as fast then.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    tried = torch.backends.cudnn.benchmark
    if deterministic:
        # cuBLAS asks for it before its first use.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = one_size and not deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = tried


def _layers() -> list[Any]:
    """The settings of a GPU's layers, of which `allow_tf32` is the older form."""
    cudnn: Any = torch.backends.cudnn
    return [cudnn.conv, cudnn.rnn]


@contextmanager
def _float32_restored() -> Iterator[None]:
    """Give float32 the precision back that the caller has set, by PyTorch's newer settings or by its older ones."""
    processor: Any = torch.backends.mkldnn
    newer = [torch.backends.cuda.matmul, processor.matmul, *_layers()]
    before = [(place, place.fp32_precision) for place in newer]
    products: str | None = None
    convolutions: bool | None = None
    # Older settings cannot be read where newer ones say what they have no word for.
    with suppress(RuntimeError):
        products = torch.get_float32_matmul_precision()
    with suppress(RuntimeError):
        convolutions = torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        if products is not None:
            torch.set_float32_matmul_precision(products)
        if convolutions is not None:
            torch.backends.cudnn.allow_tf32 = convolutions
        for place, value in before:
            place.fp32_precision = value


def _is_faster_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Of processors those that multiply whole tiles in bf16 (AMX). With AVX512's dot products alone, trainings took
        # 1.1 to 1.7 times as long as in float32 (U-Nets of 8 to 64 channels, ESPNetv2, FPN on ResNet-18 and ResNet-50),
        # and without either bf16 is emulated, several times slower. So it is too where ATEN_CPU_CAPABILITY or
        # ONEDNN_MAX_CPU_ISA keep the libraries from instructions that the processor has.
        if torch.backends.cpu.get_cpu_capability() != "AVX512" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            return False
        able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(able.get("amx_bf16") and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False
