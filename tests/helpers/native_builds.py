"""The compiled part built by a compiler and with flags of one's choice, beside the one that is installed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sysconfig
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from places import ROOT

COMPILERS = ("gcc", "clang")


def missing_for(compiler: str) -> str | None:
    """What a build by this compiler lacks on this machine; None if nothing."""
    if shutil.which(compiler) is None:
        return f"{compiler} is not installed"
    has_headers = (Path(sysconfig.get_path("include")) / "Python.h").is_file()
    return None if has_headers else "the headers of Python are not installed"


def release_flags() -> list[str]:
    """Those of pyproject.toml, with which an installation compiles it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (module,) = project["tool"]["setuptools"]["ext-modules"]
    flags: list[str] = module["extra-compile-args"]
    return flags


def build(folder: Path, compiler: str, flags: Sequence[str]) -> Path:
    """Compile the module; any warning is an error."""
    sources = map(str, sorted((ROOT / "benchmark" / "native").glob("*.c")))
    target, include = folder / "_native.so", sysconfig.get_path("include")
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror"]
    command = [compiler, *warnings, *flags, "-shared", "-fPIC", "-isystem", include, *sources, "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def load(path: Path) -> Any:
    """The module of a file, under the name that it is compiled for."""
    spec = importlib.util.spec_from_file_location("segbench._native", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
