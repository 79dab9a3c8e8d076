"""`bench publish`: the folder of a pull request holds what is asked for and nothing of its maker's machine."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from committed_records import on_whole_split
from evaluated_runs import evaluated, truth
from forged_records import bind_anew, change

from commands import Run, printed_json
from places import ROOT
from segbench.runs.binding import content_sha256
from segbench.runs.redaction import Maker, traces_of_maker, without_maker

RECORDS = ROOT / "leaderboards" / "records"
JANE = Maker(frozenset({"jane", "dgx7"}))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that is laid out as a clone, with two results, and a third one beside it that is not published yet."""
    chosen = on_whole_split("isbi2012-*")[:3]
    for folder in chosen[:2]:
        shutil.copytree(folder, tmp_path / "clone" / "leaderboards" / "records" / folder.name)
    shutil.copytree(chosen[2], tmp_path / "runs" / "mine")
    return tmp_path / "clone"


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_sound_run_is_opened_with_its_two_files_alone(bench: Run, clone: Path, tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine" / "log.txt").write_text("what happened at home")
    made = printed_json(bench("publish", tmp_path / "runs" / "mine", "--json", cwd=clone))
    (run,) = made["runs"]
    assert made["ok"]
    assert run["ok"]
    assert run["rewritten"] == []
    assert run["folder"] == f"leaderboards/records/{run['run_id']}"
    assert files(clone / run["folder"]) == {"record.json", "statistics.parquet"}
    for name in ("record.json", "statistics.parquet"):
        assert (clone / run["folder"] / name).read_bytes() == (tmp_path / "runs" / "mine" / name).read_bytes()
    assert "bench publish --index leaderboards/records" in made["commands"]
    assert bench("leaderboard", "--validate", clone / run["folder"]).returncode == 0


def test_a_run_that_is_there_already_is_not_opened_twice(bench: Run, clone: Path, tmp_path: Path) -> None:
    assert bench("publish", tmp_path / "runs" / "mine", cwd=clone).returncode == 0
    before = files(clone)
    done = bench("publish", tmp_path / "runs" / "mine", cwd=clone)
    assert done.returncode == 1
    assert "is there already" in done.stdout
    assert files(clone) == before


@pytest.mark.parametrize("changes", [{"scores__v_rand__value": 0.999}, {"method__oracle": True}, {"command": "rm -r"}])
def test_a_run_that_fails_a_check_leaves_nothing(
    bench: Run, clone: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    change(tmp_path / "runs" / "mine", **changes)
    before = files(clone)
    done = bench("publish", tmp_path / "runs" / "mine", "--json", cwd=clone)
    made = json.loads(done.stdout)
    assert done.returncode == 1
    assert not made["ok"]
    assert made["runs"][0]["folder"] is None
    assert made["commands"] == []
    assert files(clone) == before


def test_a_truth_other_than_that_of_the_results_there_is_refused(bench: Run, clone: Path, tmp_path: Path) -> None:
    change(tmp_path / "runs" / "mine", dataset__data_sha256="0" * 64)
    bind_anew(tmp_path / "runs" / "mine")
    (forged,) = (tmp_path / "runs").iterdir()
    neighbour = next((clone / "leaderboards" / "records").iterdir())
    change(neighbour, dataset__data_sha256="0" * 64, dataset__origin="synthetic")
    done = bench("publish", forged, "--json", cwd=clone)
    assert done.returncode == 1
    assert [each["name"] for each in json.loads(done.stdout)["runs"][0]["checks"] if each["ok"] is False] == ["origin"]


def test_paths_of_the_maker_are_left_out_and_the_record_stays_bound(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "jane" / "masks of hearts", 3)
    run = evaluated(root, tmp_path / "jane" / "runs" / "mine", [0.1, 0.2, 0.3])
    assert str(tmp_path) in (run / "record.json").read_text()
    made = printed_json(bench("publish", run, "--to", "results", "--json"))
    (published,) = made["runs"]
    text = (tmp_path / published["folder"] / "record.json").read_text()
    record = json.loads(text)
    assert str(tmp_path) not in text
    assert "command" in published["rewritten"]
    assert "--root" in shlex.split(record["command"])
    assert "--out" not in shlex.split(record["command"])
    assert "path/to/masks of hearts" in shlex.split(record["command"])
    assert record["content_sha256"] == content_sha256(record)
    assert record["run_id"] == json.loads((run / "record.json").read_text())["run_id"]
    assert bench("leaderboard", "--validate", published["folder"]).returncode == 0


def test_a_signature_goes_along_only_with_the_record_that_was_signed(bench: Run, tmp_path: Path) -> None:
    key = tmp_path / "key"
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen here")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    root = truth(tmp_path / "masks", 3)
    run = evaluated(root, tmp_path / "runs" / "signed", [0.1, 0.2, 0.3])
    assert bench("leaderboard", "--sign", run, "--key", key).returncode == 0
    first = printed_json(bench("publish", run, "--to", "first", "--json"))
    assert not (tmp_path / first["runs"][0]["folder"] / "record.json.sig").exists()
    assert any(command.startswith("bench leaderboard --sign first/") for command in first["commands"])
    clean = tmp_path / first["runs"][0]["folder"]
    assert bench("leaderboard", "--sign", clean, "--key", key).returncode == 0
    second = printed_json(bench("publish", clean, "--to", "second", "--json"))
    assert (tmp_path / second["runs"][0]["folder"] / "record.json.sig").is_file()


def test_the_commands_are_those_of_a_pull_request(bench: Run, clone: Path, tmp_path: Path) -> None:
    (clone / "leaderboards" / "README.md").write_text("boards")
    form = clone / ".github" / "PULL_REQUEST_TEMPLATE" / "add-a-result.md"
    form.parent.mkdir(parents=True)
    form.write_text("form")
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "all"],
    ):
        subprocess.run(["git", "-C", str(clone), *words], check=True)
    made = printed_json(bench("publish", tmp_path / "runs" / "mine", "--json", cwd=clone))
    run_id = made["runs"][0]["run_id"]
    assert made["commands"] == [
        f"git switch -c result-{run_id}",
        "bench leaderboard leaderboards/records --out leaderboards",
        "git add leaderboards",
        f"git commit -m 'Add the result {run_id}'",
        "git push -u origin HEAD",
        f"gh pr create --title 'Add the result {run_id}' --template add-a-result.md",
    ]
    for command in (made["commands"][0], made["commands"][2]):
        subprocess.run(shlex.split(command), cwd=clone, check=True, capture_output=True)
    staged = subprocess.run(
        ["git", "-C", str(clone), "diff", "--cached", "--name-only"], capture_output=True, text=True
    )
    assert sorted(Path(line).name for line in staged.stdout.split()) == ["record.json", "statistics.parquet"]


def test_results_in_another_repository_are_added_there(bench: Run, clone: Path, tmp_path: Path) -> None:
    other = tmp_path / "other repository"
    for folder in (clone, other):
        folder.mkdir(exist_ok=True)
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    made = printed_json(
        bench("publish", tmp_path / "runs" / "mine", "--to", f"../{other.name}/ours", "--json", cwd=clone)
    )
    subprocess.run(["sh", "-ec", "\n".join(made["commands"][:3])], cwd=clone, check=True, capture_output=True)
    staged = ["git", "-C", str(other), "diff", "--cached", "--name-only"]
    listed = subprocess.run(staged, capture_output=True, text=True, check=True).stdout.split()
    run_id = made["runs"][0]["run_id"]
    assert listed == [f"ours/{run_id}/record.json", f"ours/{run_id}/statistics.parquet"]


def test_from_elsewhere_the_boards_and_the_index_of_the_clone_are_made_again(
    bench: Run, clone: Path, tmp_path: Path
) -> None:
    """The commands go into the clone first, and are the same as there."""
    (clone / "leaderboards" / "README.md").write_text("boards")
    records = clone / "leaderboards" / "records"
    assert bench("publish", "--index", records).returncode == 0
    subprocess.run(["git", "init", "-q", str(clone)], check=True)
    run = tmp_path / "runs" / "mine"
    far = printed_json(bench("publish", run, "--to", "clone/leaderboards/records", "--json"))
    shutil.rmtree(records / far["runs"][0]["run_id"])
    here = printed_json(bench("publish", run, "--json", cwd=clone))
    assert far["commands"] == [f"cd {clone}", *here["commands"]]
    assert "bench leaderboard leaderboards/records --out leaderboards" in here["commands"]
    assert "bench publish --index leaderboards/records" in here["commands"]


def test_nothing_to_publish_and_no_folder_of_results_are_told(bench: Run, tmp_path: Path) -> None:
    shutil.copytree(next(RECORDS.iterdir()), tmp_path / "mine")
    for words, told in (
        ((), "--index"),
        (("mine",), "--to"),
        (("none", "--to", "results"), "no run folder"),
        (("--index", "none"), "does not exist"),
    ):
        done = bench("publish", *words)
        assert done.returncode == 2
        assert told in done.stderr
        assert "Traceback" not in done.stderr


def test_a_record_that_names_a_place_outside_goes_nowhere(bench: Run, tmp_path: Path) -> None:
    shutil.copytree(next(RECORDS.iterdir()), tmp_path / "mine")
    change(tmp_path / "mine", run_id="../../escaped")
    done = bench("publish", "mine", "--to", "results")
    assert done.returncode == 2
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(
    ("command", "clean"),
    [
        ("bench run -d x --root /data/isbi --out /home/jane/r", "bench run -d x --root path/to/isbi"),
        ("bench run -m 'torch:/home/jane/a model.pt'", "bench run -m 'torch:path/to/a model.pt'"),
        ("bench run --root ../jane/isbi", "bench run --root path/to/isbi"),
        ("bench run --root /home/jane", "bench run --root path/to/data"),
        ("bench run --root '~/isbi 2012'", "bench run --root 'path/to/isbi 2012'"),
        (r"bench evaluate -p 'C:\Users\jane\out'", "bench evaluate -p path/to/out"),
        (r"bench evaluate -p '\\dgx7\share\out'", "bench evaluate -p path/to/out"),
        ("bench run --set card=/srv/a.yaml --set x=0.5", "bench run --set card=path/to/a.yaml --set x=0.5"),
        ("bench run -m 'command:python /srv/x.py {images}'", "bench run -m 'command:python path/to/x.py {images}'"),
        ("bench run --root ../shared/isbi2012 --seed 1", "bench run --root ../shared/isbi2012 --seed 1"),
        ("bench run -m smp:Unet/resnet18", "bench run -m smp:Unet/resnet18"),
    ],
)
def test_places_in_a_command_are_named_by_their_last_part(command: str, clean: str) -> None:
    assert without_maker({"command": command}, JANE)["command"] == clean
    assert list(traces_of_maker({"command": clean}, JANE)) == []


def test_texts_lose_their_paths_and_nothing_else() -> None:
    content = {
        "command": "bench run",
        "warnings": [
            "'/home/jane/my data/x.png' is grey; 3 of 4 (3/4) are, see https://example.org/a/b and/or /tmp/x.txt",
            "0.5 per image, 10 px / 2",
        ],
        "method": {
            "config": {"init": "/home/jane/runs/a", "init_sha256": "0"},
            "chosen": {"weights": "/home/jane/w.pt"},
        },
    }
    clean = without_maker(content, JANE)
    assert clean["warnings"] == [
        "'path/to/x.png' is grey; 3 of 4 (3/4) are, see https://example.org/a/b and/or path/to/x.txt",
        "0.5 per image, 10 px / 2",
    ]
    assert clean["method"]["config"]["init"] == "path/to/a"
    assert clean["method"]["chosen"]["weights"] == "path/to/w.pt"


def test_what_the_id_stands_for_is_named_and_not_changed() -> None:
    content = {"command": "bench run", "method": {"name": "jane-net", "config": {"card": "/srv/card.yaml"}}}
    clean = without_maker(content, JANE)
    assert clean == content
    assert dict(traces_of_maker(clean, JANE)) == {"method.name": "jane", "method.config.card": "/srv/card.yaml"}


def test_committed_records_tell_of_nobody() -> None:
    for path in RECORDS.glob("*/record.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        assert without_maker(content, Maker.here()) == content
        assert list(traces_of_maker(content, Maker.here())) == []
