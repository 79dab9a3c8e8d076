"""What several tests of the documentation look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from built_site import build_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once; no test changes it."""
    return build_site(tmp_path_factory.mktemp("site"))
