"""Public docstrings say what a caller has to know: shapes of arrays, and that a user's error may be raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from places import ROOT

FOLDERS = ("benchmark", "baselines", "datasets")
ARRAYS = re.compile(r"\b(Array|Uint8|Float32|Float64|Int64|Bool|NDArray|ndarray|Tensor|torch\.Tensor)\b")
SHAPE = re.compile(
    r"\((?:[A-Za-z0-9]{1,7}|\.\.\.|…)(?: or \d)?(?:, ?(?:[A-Za-z0-9]{1,7}|\.\.\.|…)(?: or \d)?)+\)"
    r"|\(\w+,\)|shape|scalar|\b(?:arguments of|Parameters are those of|See) `"
)
ERRORS = {"UserError", "DamagedDataError"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _members_of_protocols() -> frozenset[str]:
    """Members that `types` describes once for every dataset, method and metric."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "benchmark" / "types").glob("*.py"))
    classes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    return frozenset(part.name for node in classes for part in node.body if isinstance(part, Function))


DESCRIBED = _members_of_protocols()


def _public(tree: ast.Module) -> Iterator[tuple[Function, str]]:
    """Public functions and methods, each with the docstrings that speak of it: its own and its class's."""
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            about = ast.get_docstring(node) or ""
            for part in node.body:
                own = ast.get_docstring(part) if isinstance(part, Function) else None
                if (
                    own is not None
                    and isinstance(part, Function)
                    and not part.name.startswith("_")
                    and part.name not in DESCRIBED
                ):
                    # What has none of its own, or is a member of a protocol, is described there.
                    yield part, f"{own}\n{about}"


def _functions() -> Iterator[tuple[Path, Function, str]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            module = ast.get_docstring(tree) or ""
            for function, doc in _public(tree):
                yield path, function, f"{doc}\n{module}"


def _takes_arrays(function: Function) -> bool:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return any(a.annotation is not None and ARRAYS.search(ast.unparse(a.annotation)) for a in arguments)


def _raises(function: Function) -> bool:
    """Whether it raises a user's error itself, not in a function inside."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.Lambda) or (isinstance(node, ast.Try) and node.handlers):
            continue  # what is raised there may be caught there
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = node.exc.func
            if isinstance(name, ast.Name) and name.id in ERRORS:
                return True
        waiting += ast.iter_child_nodes(node)
    return False


def test_a_function_of_arrays_says_their_shape() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for path, function, doc in _functions()
        if _takes_arrays(function) and not SHAPE.search(doc)
    ]
    assert not silent, "\n".join(silent)


def test_a_function_that_raises_a_users_error_says_so() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for path, function, doc in _functions()
        if _raises(function) and not re.search(r"UserError|DamagedDataError|Raises|refuse", doc, re.IGNORECASE)
    ]
    assert not silent, "\n".join(silent)
