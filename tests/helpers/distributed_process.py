"""What each process of a torch.distributed test does; apart from the tests, so that it starts quickly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from segbench import Evaluator
from segbench.errors import UserError


def training_data(count: int = 5) -> list[Any]:
    """SYNTHETIC images (3, 8, 8) with labels of 19 classes and void, and their names."""
    import torch

    generator = torch.Generator().manual_seed(3)
    target = torch.randint(0, 20, (count, 8, 8), generator=generator)
    target[target == 19] = 255
    images = torch.randn(count, 3, 8, 8, generator=generator)
    return [(images[n], target[n], f"image-{n}") for n in range(count)]


def model() -> Any:
    """A network (N, 3, H, W) -> (N, 19, H, W), the same in every process."""
    import torch

    torch.manual_seed(0)
    return torch.nn.Conv2d(3, 19, 3, padding=1).eval()


def run_example(code: str, loader: Any, network: Any) -> Evaluator:
    """Run the documented example and return what it gathered."""
    namespace: dict[str, Any] = {"loader": loader, "model": network}
    exec(code, namespace)
    everything = namespace["everything"]
    assert isinstance(everything, Evaluator)
    return everything


def evaluate_in_a_process(rank: int, world: int, folder: str, example: str) -> None:
    """Evaluate this process's samples in several ways and write what was found to `rank-<rank>.json`."""
    import torch
    from torch.utils.data import DataLoader, DistributedSampler

    torch.set_num_threads(1)
    where = f"file://{folder}/rendezvous"
    torch.distributed.init_process_group("gloo", init_method=where, rank=rank, world_size=world)
    data: Any = training_data()
    network = model()
    sampler: Any = DistributedSampler(data, shuffle=False)
    loader: Any = DataLoader(data, batch_size=2, sampler=sampler)
    everything = run_example(example, loader, network)
    found: dict[str, Any] = {
        "seen_here": [data[n][2] for n in sampler],
        "ids": sorted({item.sample_id for item in everything.statistics}),
        "scores": {name: score.model_dump() for name, score in everything.scores().items()},
        "repeated": _error_of_gather(loader, network, named=True),
        "unnamed": _error_of_gather(loader, network, named=False),
    }
    disjoint = Evaluator(num_classes=19, ignore_index=255)
    for number in range(rank, len(data), world):
        image, target, sample_id = data[number]
        disjoint.update(network(image[None])[0], target, sample_id)
    found["disjoint"] = disjoint.gather().compute()
    (Path(folder) / f"rank-{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


def _error_of_gather(loader: Any, network: Any, named: bool) -> str:
    evaluator = Evaluator(num_classes=19, ignore_index=255)
    for images, targets, ids in loader:
        evaluator.update(network(images), targets, ids if named else None)
    try:
        evaluator.gather()
    except UserError as error:
        return str(error)
    return ""
