"""Models that exist through `bench run`: files of PyTorch and ONNX, transformers' folders, and programs."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from commands import Run
from segbench.datasets.camvid import CamVid
from segbench.errors import UserError
from segbench.methods.existing.files import torch_kind
from segbench.registry import make_method, method_class
from tiny_models import COLORS, NAMES, NearestColor, save_onnx, save_program, save_torchscript, write_colored_camvid

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
colors = np.array({colors})
for path in sorted(Path(sys.argv[1]).glob("*.png")):
    image = np.asarray(Image.open(path)).astype(int)
    labels = np.abs(image[:, :, None] - colors).sum(-1).argmin(-1)
    Image.fromarray(labels.astype(np.uint8)).save(Path(sys.argv[2]) / path.name)
"""


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    return write_colored_camvid(tmp_path / "camvid")


def record_of(bench: Run, *arguments: str | Path) -> Any:
    done = bench("run", "-d", "camvid", "--json", "--no-plots", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refuse_doubts(bench: Run, run: Path, root: Path) -> None:
    """A submitted run of such a model is checked as any other: what it says of its method is so."""
    lines = bench("leaderboard", "--validate", run, "--root", root).stdout.splitlines()
    for what in ("command", "method", "settings", "families", "statistics", "score miou"):
        assert any(line.split()[:1] == ["ok"] and line[8:].startswith(what) for line in lines), (what, lines)


def test_one_network_in_every_form_scores_the_same(bench: Run, camvid: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    saved = {save_torchscript: "net.pt", save_program: "net.pt2", save_onnx: "net.onnx"}
    files = [save(tmp_path / name) for save, name in saved.items()]
    for path in files:
        kind = "onnx" if path.suffix == ".onnx" else "torch"
        record = record_of(bench, "-m", f"{kind}:{path}", "--root", camvid)
        assert record["scores"]["miou"]["value"] == 1.0, path
        assert record["method"]["name"] == f"{kind}:{path.name}"
        assert record["method"]["family"] == "learned"
        assert record["method"]["n_train"] is None
        assert record["cost"]["train_s"] is None
        assert record["cost"]["predict_ms_per_image"] > 0
        assert record["cost"]["parameters"] == 3 * 11 + 11
        assert record["run_id"].startswith(f"camvid-{kind}-{path.name}-")
    assert record_of(bench, "-m", f"torch:{files[0]}", "--root", camvid)["cost"]["macs_per_image"] == 24 * 36 * 3 * 11


def test_any_split_is_scored_and_folds_in_one_pass(bench: Run, camvid: Path, tmp_path: Path) -> None:
    model = save_torchscript(tmp_path / "net.pt")
    sizes = {}
    for more in (("--split", "train"), ("--split", "all"), ("--folds", "3")):
        record = record_of(bench, "-m", f"torch:{model}", "--root", camvid, *more)
        sizes[more[1]] = (record["dataset"]["n"], record["dataset"]["folds"], record["dataset"]["split"])
    assert sizes == {"train": (4, None, "train"), "all": (12, None, "all"), "3": (12, None, "all")}
    done = bench("run", "-d", "camvid", "-m", f"torch:{model}", "--root", camvid, "--train-fraction", "0.5")
    assert done.returncode == 2
    assert "is a model that exists and is not trained" in done.stderr


def test_a_card_says_what_the_file_does_not(bench: Run, camvid: Path, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(11)
    colors = np.concatenate([COLORS[order], [[7, 7, 7]]])[:, ::-1]
    model = save_torchscript(tmp_path / "net.pt", NearestColor(colors, white=255))
    done = bench("run", "-d", "camvid", "-m", f"torch:{model}", "--root", camvid)
    assert done.returncode == 2
    assert "torch:net.pt gives 12 outputs, camvid has 11 classes" in done.stderr
    assert "  0: sky" in done.stderr
    classes = "".join(f"  {place}: {NAMES[label]}\n" for place, label in enumerate(order))
    (tmp_path / "net.pt.yaml").write_text(f"classes:\n{classes}channels: bgr\nscale: 255\nfamily: external\n")
    record = record_of(bench, "-m", f"torch:{model}", "--root", camvid)
    assert record["scores"]["miou"]["value"] == 1.0
    assert record["method"]["family"] == "external"
    assert record["method"]["config"]["card"]["channels"] == "bgr"


def test_the_run_is_of_the_file_and_its_card_wherever_they_lie(bench: Run, camvid: Path, tmp_path: Path) -> None:
    model = save_torchscript(tmp_path / "net.pt")
    first = record_of(bench, "-m", f"torch:{model}", "--root", camvid)["run_id"]
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.copy(model, tmp_path / "elsewhere" / "net.pt")
    assert record_of(bench, "-m", f"torch:{moved}", "--root", camvid, "--overwrite")["run_id"] == first
    again = bench("run", "-d", "camvid", "-m", f"torch:{moved}", "--root", camvid, "--no-plots")
    assert "complete and current" in again.stderr
    (tmp_path / "elsewhere" / "net.yaml").write_text("channels: bgr\n")
    assert record_of(bench, "-m", f"torch:{moved}", "--root", camvid)["run_id"] != first
    pinned = bench("run", "-d", "camvid", "-m", f"torch:{model}", "--root", camvid, "--set", "sha256=abc")
    assert pinned.returncode == 2
    assert "it is another model" in pinned.stderr


def test_a_stored_run_verifies_stands_on_boards_and_predicts_where_it_is_trusted(
    bench: Run, camvid: Path, tmp_path: Path
) -> None:
    model = save_torchscript(tmp_path / "net.pt")
    record_of(bench, "-m", f"torch:{model}", "--root", camvid, "--out", tmp_path / "run")
    assert bench("verify", tmp_path / "run", "--root", camvid).returncode == 0
    refuse_doubts(bench, tmp_path / "run", camvid)
    assert bench("leaderboard", tmp_path / "run").returncode == 0
    images = camvid / "CamVid" / "test"
    refused = bench("predict", tmp_path / "run", images, "--out", tmp_path / "maps")
    assert refused.returncode == 2
    assert "add --trust" in refused.stderr
    done = bench("predict", tmp_path / "run", images, "--out", tmp_path / "maps", "--trust")
    assert done.returncode == 0, done.stderr
    truth = camvid / "CamVid" / "testannot"
    for path in truth.iterdir():
        assert (np.asarray(Image.open(path)) == np.asarray(Image.open(tmp_path / "maps" / path.name))).all()
    model.write_bytes(save_torchscript(tmp_path / "other.pt", NearestColor(COLORS[::-1])).read_bytes())
    changed = bench("predict", tmp_path / "run", images, "--out", tmp_path / "more", "--trust")
    assert changed.returncode == 2
    assert "it is another model" in changed.stderr


class Trap:
    """Runs code when a pickle of it is loaded."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return Path.touch, (self.place,)


def test_pickles_are_refused_with_how_to_export_and_never_loaded(bench: Run, camvid: Path, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    torch.save(NearestColor(), tmp_path / "module.pt")
    torch.save(NearestColor().state_dict(), tmp_path / "weights.pt")
    torch.save(Trap(mark), tmp_path / "trap.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps(Trap(mark)))
    for name in ("module", "weights", "trap", "old"):
        done = bench("run", "-d", "camvid", "-m", f"torch:{tmp_path / name}.pt", "--root", camvid)
        assert done.returncode == 2, name
        assert "pickles are not loaded" in done.stderr
        assert "torch.jit.trace" in done.stderr
    assert not mark.exists()


def test_an_exported_program_with_a_pickle_inside_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    model = save_program(tmp_path / "net.pt2")
    assert torch_kind(model) == "exported program"
    torch.save(Trap(mark), tmp_path / "trap.pt")
    changed = {
        "data/sample_inputs/model.pt": ((tmp_path / "trap.pt").read_bytes(), "more than tensors"),
        "data/weights/model_weights_config.json": (
            b'{"config": {"w": {"path_name": "weight_0", "use_pickle": true}}}',
            "only a pickle can load",
        ),
        "data/constants/model_constants_config.json": (
            b'{"config": {"c": {"path_name": "opaque_obj_0"}}}',
            "only a pickle can load",
        ),
        "data/aotinductor/model/a.so": (b"code", "compiled code"),
    }
    for name, (content, words) in changed.items():
        path = tmp_path / "changed.pt2"
        with zipfile.ZipFile(model) as source, zipfile.ZipFile(path, "w") as target:
            for each in source.infolist():
                if not each.filename.endswith(name):
                    target.writestr(each, source.read(each))
            target.writestr(f"net/{name}", content)
        with pytest.raises(UserError, match=words):
            torch_kind(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"nonsense" * 9, "is neither TorchScript"), (b"PK\x05\x06" + bytes(18), "is neither")],
)
def test_files_that_are_no_model(content: bytes, words: str, bench: Run, camvid: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(content)
    done = bench("run", "-d", "camvid", "-m", f"torch:{path}", "--root", camvid)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:FutureWarning")
def test_a_model_for_images_of_one_size_says_so(bench: Run, camvid: Path, tmp_path: Path) -> None:
    class OfOneSize(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.matmul(image[:, :1], torch.ones(40, 40)).expand(-1, 11, -1, -1)

    trace: Any = torch.jit.trace
    trace(OfOneSize(), torch.zeros(1, 3, 40, 40)).save(tmp_path / "net.pt")
    done = bench("run", "-d", "camvid", "-m", f"torch:{tmp_path / 'net.pt'}", "--root", camvid)
    assert done.returncode == 2
    assert "fails on images of 24 x 36 (" in done.stderr
    assert "size: [height, width]" in done.stderr
    assert "Traceback" not in done.stderr
    (tmp_path / "net.yaml").write_text("size: [40, 40]")
    assert bench("run", "-d", "camvid", "-m", f"torch:{tmp_path / 'net.pt'}", "--root", camvid).returncode == 0


def test_a_class_map_means_the_same_in_a_record(tmp_path: Path) -> None:
    """Where 10 stands before 2, as in text, a run would not know itself again."""
    model = save_torchscript(tmp_path / "net.pt")
    names = [each.name for each in CamVid.info.classes]
    (tmp_path / "net.yaml").write_text(yaml.safe_dump({"classes": dict(enumerate([*names, names[0], names[1]]))}))
    config = make_method(f"torch:{model}").resolved(CamVid.info)
    assert len(config["card"]["classes"]) == 13
    stored = json.loads(json.dumps(config))
    assert json.dumps(config, sort_keys=True) == json.dumps(stored, sort_keys=True)


def test_a_model_that_is_too_large_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = save_torchscript(tmp_path / "net.pt")
    monkeypatch.setattr("segbench.methods.existing.files.MAX_MODEL_BYTES", 100)
    with pytest.raises(UserError, match="--trust-large"):
        make_method(f"torch:{model}").resolved(CamVid.info)


def test_onnx_tells_its_size_and_channels(bench: Run, camvid: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    model = save_onnx(tmp_path / "net.onnx", size=(24, 36))
    assert record_of(bench, "-m", f"onnx:{model}", "--root", camvid)["scores"]["miou"]["value"] == 1.0
    for card, words in (("size: [48, 72]", "takes images of [24, 36]"), ("channels: grey", "takes 3 channels")):
        (tmp_path / "net.yaml").write_text(card)
        done = bench("run", "-d", "camvid", "-m", f"onnx:{model}", "--root", camvid)
        assert done.returncode == 2
        assert words in done.stderr


def test_weights_of_onnx_lie_in_its_folder_and_count_for_its_hash(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
    folder = tmp_path / "model"
    folder.mkdir()
    model = onnx.load(str(save_onnx(tmp_path / "net.onnx")))
    path = folder / "net.onnx"
    onnx.save_model(model, str(path), save_as_external_data=True, location="net.bin", size_threshold=0)
    method = make_method(f"onnx:{path}")
    first = method.resolved(CamVid.info)["sha256"]
    (folder / "net.bin").write_bytes((folder / "net.bin").read_bytes()[:-4] + bytes(4))
    assert make_method(f"onnx:{path}").resolved(CamVid.info)["sha256"] != first
    (folder / "net.bin").rename(tmp_path / "net.bin")
    with pytest.raises(UserError, match=r"its weights 'net\.bin' are missing"):
        method.resolved(CamVid.info)
    named = onnx.load(str(path), load_external_data=False)
    for tensor in named.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../net.bin" if entry.key == "location" else entry.value
    path.write_bytes(named.SerializeToString())
    with pytest.raises(UserError, match=r"weights outside its folder"):
        method.resolved(CamVid.info)


def test_a_program_is_timed_and_its_maps_are_scored(bench: Run, camvid: Path, tmp_path: Path) -> None:
    script = tmp_path / "segment.py"
    script.write_text(PROGRAM.format(colors=COLORS.tolist()))
    record = record_of(bench, "-m", f"command:{sys.executable} {script} {{images}} {{out}}", "--root", camvid)
    assert record["scores"]["miou"]["value"] == 1.0
    assert record["method"]["name"] == "command:segment.py"
    assert record["method"]["family"] == "external"
    assert record["cost"]["predict_ms_per_image"] > 10  # Python itself has to start
    assert record["cost"]["best_batch"] == 4
    assert 5 < record["cost"]["peak_memory_mb"] < 500  # the program's, not that of this process with torch
    assert record["cost"]["parameters"] is None
    run = next(path for path in (tmp_path / "runs").iterdir() if path.name == record["run_id"])
    refuse_doubts(bench, run, camvid)
    script.write_text(script.read_text() + "\n# another program\n")
    again = record_of(bench, "-m", f"command:{sys.executable} {script} {{images}} {{out}}", "--root", camvid)
    assert again["run_id"] != record["run_id"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('cp "$1"/*.png "$2"', "has shape"),
        ("echo out of luck >&2; exit 3", "failed with exit status 3. It said:\n  out of luck"),
        ("true", "wrote no label map for 4 of 4 images (first: 000000.png)"),
        ('for f in "$1"/*; do echo no > "$2/$(basename "$f")"; done', "wrote a file that is no label map: 000000.png"),
        ("kill -9 $$", "was killed by SIGKILL"),
    ],
)
def test_what_a_program_did_wrong_is_named(script: str, words: str, bench: Run, camvid: Path, tmp_path: Path) -> None:
    (tmp_path / "segment.sh").write_text(f"#!/bin/sh\n{script}\n")
    done = bench("run", "-d", "camvid", "-m", "command:sh segment.sh {images} {out}", "--root", camvid)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("segment {images}", "names no {out}"),
        ("segment", "names no {images} and no {out}"),
        ("'segment {images} {out}", "cannot be split"),
        ("no-such-program {images} {out}", "is no program"),
        ("", "names no model"),
    ],
)
def test_commands_that_cannot_be_started(command: str, words: str, bench: Run, camvid: Path) -> None:
    done = bench("run", "-d", "camvid", "-m", f"command:{command}", "--root", camvid)
    assert done.returncode == 2
    assert words in done.stderr


def test_the_words_of_a_command_meet_no_shell(bench: Run, camvid: Path, tmp_path: Path) -> None:
    (tmp_path / "segment.sh").write_text("#!/bin/sh\nexit 4\n")
    done = bench("run", "-d", "camvid", "-m", "command:sh segment.sh {images} {out} ; touch it-ran", "--root", camvid)
    assert done.returncode == 2
    assert not (tmp_path / "it-ran").exists()


def test_a_suite_runs_code_only_when_it_is_trusted(bench: Run, camvid: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    save_torchscript(tmp_path / "mine" / "net.pt")
    suite = tmp_path / "mine" / "suite.yaml"
    suite.write_text(f"datasets: [{{name: camvid, root: '{camvid}'}}]\nmethods: [constant, 'torch:net.pt']\n")
    refused = bench("suite", suite)
    assert refused.returncode == 2
    assert "would run what it names" in refused.stderr
    done = bench("suite", suite, "--trust", "--out", tmp_path / "grid", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["method"]: row for group in json.loads(done.stdout)["sections"] for row in group["rows"]}
    assert rows["torch:net.pt"]["scores"]["miou"]["value"] == 1.0
    again = bench("suite", suite, "--trust", "--out", tmp_path / "grid", "--resume")
    assert "2 done" in again.stderr


def test_names_need_no_file() -> None:
    """Records of models that lie elsewhere are read too."""
    info = method_class("torch:gone/net.pt").info
    assert (info.name, info.trains, info.runs_code) == ("torch:net.pt", False, True)
    assert not method_class("onnx:gone.onnx").info.runs_code
    assert method_class("hf:owner/model").info.name == "hf:owner/model"


@pytest.fixture
def segformer(tmp_path: Path) -> Path:
    """A small SegFormer in transformers' format with random weights."""
    transformers = pytest.importorskip("transformers", reason="needs the extra hf")
    config = transformers.SegformerConfig(
        num_labels=12,
        id2label=dict(enumerate([*NAMES, "void"])),
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=16,
    )
    torch.manual_seed(0)
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(tmp_path / "segformer")
    transformers.SegformerImageProcessor(size={"height": 64, "width": 96}).save_pretrained(tmp_path / "segformer")
    return tmp_path / "segformer"


def test_a_model_of_transformers_gives_what_transformers_gives(
    bench: Run, camvid: Path, segformer: Path, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers", reason="needs the extra hf")
    asked = bench("run", "-d", "camvid", "-m", f"hf:{segformer}", "--root", camvid)
    assert asked.returncode == 2
    assert "gives 12 outputs" in asked.stderr
    assert "  10: bicyclist" in asked.stderr
    assert "never predicted: 11 (void)" in asked.stderr
    classes = "".join(f"  {place}: {name}\n" for place, name in enumerate(NAMES))
    segformer.with_name("segformer.yaml").write_text(f"classes:\n{classes}")
    arguments = ("-m", f"hf:{segformer}", "--root", camvid, "--save-predictions", "--out", tmp_path / "run")
    record = record_of(bench, *arguments)
    assert record["cost"]["parameters"] > 1000
    assert record["cost"]["macs_per_image"] > 1000
    network = transformers.AutoModelForSemanticSegmentation.from_pretrained(segformer).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(segformer)
    for path in sorted((camvid / "CamVid" / "test").iterdir()):
        image = np.asarray(Image.open(path))
        with torch.inference_mode():
            given = network(**processor(images=[image], return_tensors="pt")).logits
        maps = torch.nn.functional.interpolate(given, image.shape[:2], mode="bilinear", align_corners=False)
        stored = np.asarray(Image.open(tmp_path / "run" / "predictions" / path.name))
        assert (stored == maps[0, :11].argmax(0).numpy()).all()


def test_transformers_weights_are_safetensors_alone(bench: Run, camvid: Path, segformer: Path) -> None:
    (segformer / "model.safetensors").unlink()
    torch.save({}, segformer / "pytorch_model.bin")
    done = bench("run", "-d", "camvid", "-m", f"hf:{segformer}", "--root", camvid)
    assert done.returncode == 2
    assert "safetensors alone, and it has pytorch_model.bin" in done.stderr


def test_code_in_a_repository_of_transformers_does_not_run(bench: Run, camvid: Path, segformer: Path) -> None:
    config = json.loads((segformer / "config.json").read_text())
    mark = segformer / "it ran"
    (segformer / "evil.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n")
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (segformer / "config.json").write_text(json.dumps(config))
    done = bench("run", "-d", "camvid", "-m", f"hf:{segformer}", "--root", camvid)
    assert done.returncode == 2
    assert not mark.exists()
    assert "Traceback" not in done.stderr


def test_a_universal_model_finds_masks(bench: Run, camvid: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs the extra hf")
    stages = [f"stage{k}" for k in (1, 2, 3, 4)]
    swin = transformers.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=4, out_features=stages
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=swin,
        num_labels=11,
        hidden_dim=32,
        feature_size=32,
        mask_feature_size=32,
        encoder_layers=1,
        decoder_layers=2,
        num_queries=5,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        num_attention_heads=2,
    )
    torch.manual_seed(0)
    folder = tmp_path / "mask2former"
    transformers.Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    transformers.Mask2FormerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    record = record_of(bench, "-m", f"hf:{folder}", "--root", camvid)
    assert record["complete"]
    assert record["dataset"]["n"] == 4
    objects = bench("run", "-d", "camvid", "-m", f"hf:{folder}", "--root", camvid, "--set", "task=instance")
    assert objects.returncode == 2
    assert "predicts objects, which camvid does not score" in objects.stderr
