"""Imports run down one chain, in no circle, and every folder with code is in the package."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from places import ROOT
from segbench import __version__

CHAIN = (
    *("errors", "text", "settings", "types", "io", "cardiac", "metrics", "registry", "evaluation", "data"),
    *("predictions", "runs", "figures", "boards", "diagnosis", "methods", "report", "commands", "api", "cli"),
)
BESIDE = {"integrations": "data", "synthetic": "predictions", "testing": "report"}
"""Rooms that stand beside one of the chain: they import what it may import."""
LEVELS = {room: level for level, room in enumerate(CHAIN)}
LEVELS |= {room: LEVELS[beside] for room, beside in BESIDE.items()}
ROOT_FILES = {"__init__", "__main__", "_former_names", "_version"}
"""Modules at the root that hold nothing of their own."""
PLUGINS = ("datasets", "baselines", "configs")

Module = tuple[str, ...]


def _modules() -> dict[Module, Path]:
    """Every module of `benchmark/` by its name below `segbench`."""
    found = {}
    for path in (ROOT / "benchmark").rglob("*.py"):
        parts = path.relative_to(ROOT / "benchmark").with_suffix("").parts
        found[parts[:-1] if parts[-1] == "__init__" else parts] = path
    return found


MODULES = _modules()


@cache
def parsed(path: Path) -> ast.Module:
    """What a file of Python holds; several tests ask it of every file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(module: Module) -> Iterator[tuple[int, Module]]:
    """Line and target of every import of another module of segbench, wherever in the file it stands."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module[:-1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            named = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                base = (*package[: len(package) - node.level + 1], *named)
            elif named[:1] == ("segbench",):
                base = named[1:]
            else:
                continue
            for alias in node.names:
                target = (*base, alias.name) if (*base, alias.name) in MODULES else base
                yield node.lineno, target
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "segbench":
                    yield node.lineno, tuple(alias.name.split(".")[1:])


def test_the_root_holds_what_the_chain_names() -> None:
    rooms = {module[0] for module in MODULES if module}
    assert rooms == set(LEVELS) & rooms | ROOT_FILES & rooms


def test_imports_run_down_the_chain() -> None:
    """Lazy imports too; what the registry loads by name is no import."""
    wrong = []
    for module in MODULES:
        if not module or module[0] in ROOT_FILES:
            continue
        for line, target in _imports(module):
            if target[:1] in ((module[0],), ("_former_names",), ("_version",)):
                continue
            if not target or target[0] not in LEVELS or LEVELS[target[0]] >= LEVELS[module[0]]:
                wrong.append(f"{MODULES[module].relative_to(ROOT)}:{line} imports {'.'.join(target) or 'segbench'}")
    assert not wrong, "\n".join(wrong)


def test_a_command_imports_no_command() -> None:
    wrong = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {'.'.join(target)}"
        for module in MODULES
        if module[:1] == ("commands",)
        for line, target in _imports(module)
        if target[:1] == ("commands",)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_import_goes_in_a_circle() -> None:
    arrows = {
        module: {target for _, target in _imports(module) if target and target != module and target in MODULES}
        for module in MODULES
        if module and module[0] not in ROOT_FILES
    }
    done: set[Module] = set()
    circles: list[str] = []

    def follow(module: Module, path: tuple[Module, ...]) -> None:
        if module in path:
            circles.append(" > ".join(".".join(m) for m in (*path[path.index(module) :], module)))
        elif module not in done:
            for target in sorted(arrows.get(module, ())):
                follow(target, (*path, module))
            done.add(module)

    for module in sorted(arrows):
        follow(module, ())
    assert not circles, "\n".join(circles)


def test_plugins_import_nothing_of_the_upper_half() -> None:
    """Datasets and methods are loaded by name; they may not reach into what runs or shows them."""
    wrong = []
    for folder in PLUGINS[:2]:
        for path in (ROOT / folder).glob("*.py"):
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("segbench."):
                    room = str(node.module).split(".")[1]
                    if LEVELS.get(room, 0) >= LEVELS["report"] and room != "testing":
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {node.module}")
    assert not wrong, "\n".join(wrong)


DATASETS = {path.stem for path in (ROOT / "datasets").glob("*.py")} - {"__init__"}
ITS_OWN = ("synthetic", "metrics", "cardiac")
"""Rooms of the benchmark that may know a dataset or a domain by name, wherever the folder or file lies."""
ITS_OWN_FILES = {"cardiac_output", "cityscapes_login", "official_formats", "coco_results", "cityscapes_instances"}
WORDS = {"folder"}
"""Names of datasets that are also words: they are refused only where something is compared with them."""


def _engine() -> Iterator[tuple[Path, ast.Module]]:
    """Modules that may know no dataset and no domain by name."""
    for module, path in MODULES.items():
        if not set(module) & {*ITS_OWN, *ITS_OWN_FILES}:
            yield path.relative_to(ROOT), parsed(path)


def _named(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Names of datasets in a module's strings, docstrings and help texts aside, and imports of a domain's metric."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in DATASETS - WORDS:
            yield node.lineno, str(node.value)
        if isinstance(node, ast.Compare):
            parts = (part for side in (node.left, *node.comparators) for part in ast.walk(side))
            for part in parts:
                if isinstance(part, ast.Constant) and part.value in WORDS:
                    yield node.lineno, str(part.value)
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("metrics.cardiac"):
            yield node.lineno, str(node.module)


def test_the_engine_names_no_dataset_and_no_domain() -> None:
    """What is special about one comes through a hook of the dataset or the metric."""
    wrong = [f"{path}:{line} names {name}" for path, tree in _engine() for line, name in _named(tree)]
    assert not wrong, "\n".join(wrong)


def test_a_name_in_the_engine_would_be_found() -> None:
    ladder = "def f(info):\n    if info.name == 'folder' or kind in ('voc2012',):\n        return {'folder': 1}\n"
    assert {name for _, name in _named(ast.parse(ladder))} == {"folder", "voc2012"}
    assert [name for _, name in _named(ast.parse("from ..metrics.cardiac import Cardiac"))] == ["metrics.cardiac"]


IMPORTING = """
import importlib, os, signal, sys

sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
import segbench
assert segbench.__file__.startswith(sys.argv[1]), segbench.__file__

# Again, without what Windows lacks; other packages stay imported.
for name in [name for name in sys.modules if name.partition(".")[0] == "segbench"]:
    del sys.modules[name]
ABSENT = "curses fcntl grp posix pty pwd readline resource syslog termios tty".split()
OF_OS = "fork getegid geteuid getgid getpgid getpgrp getuid killpg nice sched_getaffinity setsid sysconf uname wait"
OF_SIGNAL = "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGUSR1 SIGUSR2 SIG_BLOCK pthread_sigmask"
sys.modules |= dict.fromkeys(ABSENT)
for owner, names in ((os, OF_OS), (signal, OF_SIGNAL)):
    for name in filter(vars(owner).__contains__, names.split()):
        delattr(owner, name)
sys.platform = "win32"
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


@pytest.mark.slow
def test_every_folder_with_code_is_packaged(tmp_path: Path) -> None:
    """A built wheel holds every module, each can be imported from it alone, also without what only POSIX systems have,
    and `bench` runs outside the checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    settings = project["tool"]["setuptools"]
    folders = {".".join(("segbench", *module)) for module, path in MODULES.items() if path.name == "__init__.py"}
    assert folders <= set(settings["packages"]), sorted(folders - set(settings["packages"]))
    installed = _installed_wheel(tmp_path)
    names = {path.relative_to(installed).as_posix() for path in installed.rglob("*")}
    expected = {"/".join(("segbench", *path.relative_to(ROOT / "benchmark").parts)) for path in MODULES.values()}
    expected |= {f"segbench/{folder}/{path.name}" for folder in PLUGINS for path in (ROOT / folder).glob("*.py")}
    for pattern in ("benchmark/**/*.css", "benchmark/**/*.js", "benchmark/**/*.txt", "benchmark/py.typed"):
        expected |= {f"segbench/{path.relative_to(ROOT / 'benchmark')}" for path in ROOT.glob(pattern)}
    expected |= {f"segbench/{path.relative_to(ROOT)}" for path in ROOT.glob("configs/**/*.yaml")}
    assert expected <= names, sorted(expected - names)
    # Packages of extras, after which the module that serves them is named.
    absent = {("integrations", name) for name in ("lightning", "mmengine") if find_spec(name) is None}
    apart = {("__main__",), *absent}
    modules = [".".join(("segbench", *module)) for module in sorted(MODULES) if module not in apart]
    command = [sys.executable, "-c", IMPORTING, str(installed), *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    command, path = [str(installed / "bin" / "bench"), "--version"], {"PYTHONPATH": str(installed)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"segbench {__version__} ")


@pytest.mark.slow
def test_without_a_compiler_it_is_built_all_the_same(tmp_path: Path) -> None:
    """The build says once what it leaves out, and what is installed counts with NumPy."""
    wheel, output = _built_wheel(tmp_path, CC="no-such-compiler")
    assert output.count('building extension "segbench._native" failed') == 1
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "segbench/io/native.py" in names
    assert not [name for name in names if name.startswith("segbench/_native")]


def _installed_wheel(folder: Path) -> Path:
    """Where a wheel is installed that was built from a copy of the tree, with no file of an earlier build."""
    wheel, _ = _built_wheel(folder)
    installed = folder / "installed"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(installed)]
    done = subprocess.run([*command, str(wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return installed


def _built_wheel(folder: Path, **environment: str) -> tuple[Path, str]:
    """A wheel of a copy of the tree, and what its build printed."""
    command = [sys.executable, "-m", "pip", "wheel", "-v", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    copy = folder / "project"
    for name in ("benchmark", "datasets", "baselines", "configs", "leaderboards/published"):
        _copy(ROOT / name, copy / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    env = os.environ | environment
    built = subprocess.run([*command, str(copy)], capture_output=True, text=True, check=False, env=env)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel, built.stdout + built.stderr


def _copy(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".so", ".pyd"):
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())
