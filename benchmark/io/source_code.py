"""Python files as code: what of a file can change what a program computes, and which modules it imports."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """`from module import name`, or `import module` with no name; for type checkers alone where `typing` is true."""

    module: str
    name: str | None
    typing: bool


@dataclass(frozen=True)
class SourceCode:
    """A hash of the code without comments, docstrings and layout, and all of its imports, lazy ones included."""

    sha256: str
    imports: tuple[Import, ...]


def source_code(path: Path, module: str) -> SourceCode:
    """The code of a file that is imported as `module`.

    The hash is the same for every version of Python that reads the file alike.

    Raises OSError where it cannot be read, SyntaxError where it is not Python.
    """
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return parsed_code(path.read_bytes(), package, str(path))


def parsed_code(content: bytes, package: str, where: str) -> SourceCode:
    """The code of the content of a file, whose relative imports start from `package`; `where` names it in errors."""
    tree = ast.parse(content, where)
    words: list[str] = []
    _add_words(tree, words)
    text = "".join(words).encode("utf-8", "surrogatepass")
    return SourceCode(hashlib.sha256(text).hexdigest(), tuple(_imports(tree, package, typing=False)))


def _add_words(item: object, words: list[str]) -> None:
    """The parsed code as text. What is empty is left out, since versions of Python differ in which fields there are."""
    if isinstance(item, ast.AST):
        words.append(f"({type(item).__name__}")
        for field in item._fields:
            content = getattr(item, field, None)
            if content is not None and content != [] and field not in ("type_comment", "kind"):
                words.append(f" {field}=")
                _add_words(content, words)
        words.append(")")
    elif isinstance(item, list):
        words.append("[")
        for element in item:
            if not _is_text(element):
                _add_words(element, words)
        words.append("]")
    else:
        words.append(f"{type(item).__name__} {item!r}")


def _is_text(node: object) -> bool:
    """A string that stands alone: a docstring, of a constant too."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(node: ast.AST, package: str, *, typing: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, None, typing) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        above = parts[: len(parts) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        yield from (Import(module, alias.name, typing) for alias in node.names)
    elif isinstance(node, ast.If) and _asks_for_typing(node.test):
        for part in node.body:
            yield from _imports(part, package, typing=True)
        for part in node.orelse:
            yield from _imports(part, package, typing=typing)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, package, typing=typing)


def _asks_for_typing(test: ast.expr) -> bool:
    name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
    return name == "TYPE_CHECKING"
