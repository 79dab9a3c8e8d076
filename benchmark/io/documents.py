"""JSON documents: the base of every model that is stored, returned by a command and printed with `--json`."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _finite(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(value) if math.isfinite(value) else None


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A float as JSON can hold it: NaN and the infinities become None, NumPy's doubles become Python's."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A whole number of things, or of a seed, as 64 bits hold it."""


class Document(BaseModel):
    """A model whose fields are the keys of a JSON document, in this order.

    A later version may add keys; what this one does not know is kept, not refused.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, defer_build=True)

    def to_json(self) -> str:
        """The document as text, two spaces deep, with a line end."""
        return json.dumps(plain_json(self), indent=2, allow_nan=False) + "\n"


def plain_json(content: Any) -> Any:
    """Documents, also in a list, as what JSON knows; anything else as it is."""
    if isinstance(content, Document):
        return content.model_dump(mode="json", by_alias=True)
    return [plain_json(each) for each in content] if isinstance(content, list) else content


def without_none(written: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A serialized model without these keys where they are None: for models with parts that not every document has."""
    return {key: value for key, value in written.items() if value is not None or key not in keys}
