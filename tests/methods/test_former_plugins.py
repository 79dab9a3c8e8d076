"""A method written before there was a base is completed, for one release."""

from __future__ import annotations

from pathlib import Path

import pytest

from segbench.registry import make_method

PLUGIN = """
from segbench.types import MethodInfo

class Early:
    info = MethodInfo("early", "classical", "a test", "a test", {"level": 0.5})

    def __init__(self, config):
        self.config, self.chosen = config, {}

    def fit(self, train, val, context): pass
    def predict(self, images): return []
    def save(self, folder): pass
    def load(self, folder, dataset, device): pass
    def parameters(self): return 3
"""


def test_a_method_without_a_base_gets_what_it_lacks_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "early.py").write_text(PLUGIN)
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path))
    with pytest.warns(DeprecationWarning, match="class Early lacks .*macs. Derive it from segbench.methods.BaseMethod"):
        method = make_method("early", {"level": 0.25})
    assert (method.oracle, method.macs((8, 8)), method.prediction_settings, method.parameters()) == (False, None, (), 3)
    assert method.config == {"level": 0.25}
