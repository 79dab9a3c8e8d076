"""Published ESPNetv2 weights as model files: TorchScript, ONNX, and the card of both.

    python tests/real/espnetv2_files.py WEIGHTS.pth --out FOLDER

The weights are those of sacmehta/EdgeNets, commit 2b232d3f7fb60658755dad1ebca0ffc895cc795e, in
model/segmentation/model_zoo/espnetv2/ (MIT). They are read as tensors alone into `segbench.baselines.espnetv2`; none of
that repository's code is needed. What is written is for one size of image, that of the file's name.
"""

from __future__ import annotations

import argparse
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from segbench.baselines.espnetv2 import ESPNetv2Config, build_network
from segbench.errors import UserError
from segbench.io.fingerprints import file_sha256
from segbench.methods.existing.card import ModelCard
from segbench.methods.training.networks import IMAGENET_MEAN, IMAGENET_STD
from segbench.methods.training.transfer import begin_from, read_weights

SHA256 = {
    "espnetv2_s_2.0_city_1024x512.pth": "a72d59699801c7ce8e8b89a53af9097eaaa60dc12180ecde86fd700ba1222fe8",
    "espnetv2_s_2.0_city_512x256.pth": "6b6f26b567c82bb4d6624387f24ed505613edafad19222e1707993fbe0d1d8f6",
    "espnetv2_s_2.0_pascal_384x384.pth": "bc479586b0ba9254e02589020346931a14d99028ad6bac4817198be6d9e719a6",
}
STREETS: dict[int, int | str] = {
    **{0: "road", 1: "pavement", 2: "building", 3: "building", 4: "fence", 5: "pole", 6: "sign symbol"},
    **{7: "sign symbol", 8: "tree", 10: "sky", 11: "pedestrian", 12: "bicyclist", 13: "car", 14: "car", 15: "car"},
    **{16: "car", 17: "bicyclist", 18: "bicyclist"},
}
"""CamVid's classes of Cityscapes' (by training number); terrain (9) and background (19) are none of them."""


def write(weights: Path, out: Path) -> None:
    """Write the three files of one file of weights. Raises UserError for another file than the published one."""
    found = re.fullmatch(r"espnetv2_s_(\d\.\d)_(city|pascal)_(\d+)x(\d+)\.pth", weights.name)
    if found is None or SHA256.get(weights.name) != file_sha256(weights):
        raise UserError(f"{weights}: is none of the files that are expected: {', '.join(SHA256)}")
    scale, trained, width, height = found.groups()
    network = build_network(ESPNetv2Config.model_validate({"width": float(scale)}), 21 if trained == "pascal" else 20)
    print(begin_from(network, read_weights(weights), str(weights)))
    example = torch.rand(1, 3, int(height), int(width))
    out.mkdir(parents=True, exist_ok=True)
    stem = out / weights.stem
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace: Any = torch.jit.trace
        trace(network.eval(), example).save(f"{stem}.pt")
        names: dict[str, Any] = {"input_names": ["image"], "output_names": ["out"]}
        torch.onnx.export(network, (example,), f"{stem}.onnx", dynamo=False, opset_version=17, **names)
    card = ModelCard(
        classes=STREETS if trained == "city" else None,
        mean=list(IMAGENET_MEAN),
        std=list(IMAGENET_STD),
        size=[int(height), int(width)],
        reference="Mehta et al.: ESPNetv2, 2019; weights: sacmehta/EdgeNets, commit 2b232d3",
    )
    Path(f"{stem}.yaml").write_text(card.to_yaml(), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path(".real/models"))
    given = parser.parse_args()
    for each in given.weights:
        write(each, given.out)
