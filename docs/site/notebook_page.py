"""The notebook as a page: its text, code, and what it printed and drew when it was last run."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any


def pages(notebook: Path) -> dict[str, str | bytes]:
    """The page and its pictures, by their address in the site."""
    made: dict[str, str | bytes] = {}
    parts = []
    for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"]):
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", ()):
            parts.append(_shown(output, f"notebook-{number}.png", made))
    return {"notebook.md": "\n\n".join(part for part in parts if part) + "\n", **made}


def _shown(output: dict[str, Any], name: str, made: dict[str, str | bytes]) -> str:
    """One output as Markdown; a picture is put beside the page under this name."""
    data = output.get("data", {})
    if "image/png" in data:
        made[name] = base64.b64decode("".join(data["image/png"]))
        return f"![what the cell above drew]({name})"
    if "text/html" in data:
        return re.sub(r"\n\s*\n", "\n", "".join(data["text/html"]))
    printed = "".join(output.get("text", data.get("text/plain", ())))
    return f"```text\n{printed.rstrip()}\n```" if printed.strip() else ""
