"""What was made of Python files, kept for the next command: parsing all that a result depends on takes a third of a
second, which is as long as scoring a few images."""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import suppress
from pathlib import Path

from .atomic import write_text
from .source_code import Import, SourceCode, parsed_code
from .source_code import __file__ as _MAKER

_MAX_FILES = 1000
"""Files that are known at once; of more, those that were met first are forgotten."""


class ParsedCode:
    """Files of Python by their content: one that has changed is another one, so nothing here can be out of date.

    A file that is damaged, or was written by another version, is made again; where none can be written, none is.

    Parameters
    ----------
    path : of the JSON file that knows them; without one nothing is known at first, and nothing is kept.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._of_content: dict[str, SourceCode] = {}
        self._here: dict[tuple[Path, str], SourceCode] = {}
        self._new = False
        if path is None:
            return
        with suppress(OSError, ValueError, TypeError):
            seal, _, text = path.read_text("utf-8").partition("\n")
            if seal == _seal(text):
                for key, (sha256, imports) in json.loads(text).items():
                    self._of_content[key] = SourceCode(sha256, tuple(Import(*one) for one in imports))

    def of(self, path: Path, module: str) -> SourceCode:
        """The code of a file that is imported as `module`; each file is read once.

        Raises OSError where it cannot be read, SyntaxError where it is not Python.
        """
        if (path, module) not in self._here:
            content = path.read_bytes()
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            key = f"{hashlib.sha256(content).hexdigest()} {package}"
            if key not in self._of_content:
                self._of_content[key] = parsed_code(content, package, str(path))
                self._new = True
            self._here[path, module] = self._of_content[key]
        return self._here[path, module]

    def save(self) -> None:
        """Write down what is known, if any of it is new."""
        if not self._new or self._path is None:
            return
        kept = list(self._of_content.items())[-_MAX_FILES:]
        content = {key: (code.sha256, [(i.module, i.name, i.typing) for i in code.imports]) for key, code in kept}
        text = json.dumps(content)
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._path, f"{_seal(text)}\n{text}")


def _seal(text: str) -> str:
    """Stands for the text, for the code that parsed, and for the version of Python whose parser that was."""
    maker = hashlib.sha256(Path(_MAKER).read_bytes()).hexdigest()
    return hashlib.sha256(f"{sys.version_info[:3]} {maker} {text}".encode("utf-8", "surrogatepass")).hexdigest()
