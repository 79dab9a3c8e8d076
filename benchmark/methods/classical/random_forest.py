"""Random forests as plain arrays: scikit-learn grows them, and what is stored and queried is a table of nodes.

A saved forest is an npz file without pickle, independent of the version of scikit-learn; its predictions are those of
`RandomForestClassifier.predict_proba`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...types import Array, Float32, Int64

_CHUNK = 1 << 11
"""Number of rows that go down the trees at once: the nodes they stand at stay in the processor's cache."""


@dataclass(frozen=True)
class Forest:
    """Trees with N nodes in all; a row goes to the second child where its feature exceeds the node's threshold.

    classes: (K,) int64. roots: (T,) int32, the first node of each tree. feature: (N,) int32. threshold: (N,) float32.
    children: (2 N,) int32, a leaf's are itself. shares: (N, K) float32, the classes' shares at the node.
    """

    classes: Int64
    roots: Array
    feature: Array
    threshold: Float32
    children: Array
    shares: Float32
    depth: int

    def predict(self, rows: Float32) -> Float32:
        """Class shares (n, K) float32, the mean over the trees, of rows (n, F)."""
        values = np.ascontiguousarray(rows, np.float32)
        result = np.zeros((len(values), len(self.classes)), np.float32)
        for start in range(0, len(values), _CHUNK):
            part = values[start : start + _CHUNK]
            nodes = self._leaves(part)
            for tree in range(len(self.roots)):
                result[start : start + _CHUNK] += self.shares[nodes[:, tree]]
        return result / np.float32(len(self.roots))

    def _leaves(self, rows: Float32) -> Array:
        """The leaf (n, T) int32 that each row reaches in each tree."""
        flat = rows.ravel()
        first = (np.arange(len(rows), dtype=np.int32) * rows.shape[1])[:, None]
        nodes = np.broadcast_to(self.roots, (len(rows), len(self.roots))).copy()
        for _ in range(self.depth):
            beyond = flat.take(first + self.feature.take(nodes)) > self.threshold.take(nodes)
            nodes = self.children.take(2 * nodes + beyond)
        return nodes

    def shares_of(self, rows: Float32, classes: int) -> Float32:
        """As `predict`, with a column for each of `classes` classes: 0 for one that was not learned."""
        result = np.zeros((len(rows), classes), np.float32)
        result[:, self.classes] = self.predict(rows)
        return result

    @property
    def splits(self) -> int:
        """Number of nodes with a threshold."""
        return int((self.children[::2] != np.arange(len(self.feature))).sum())

    def arrays(self, prefix: str = "forest_") -> dict[str, Array]:
        """What an npz file stores."""
        names = [name for name in self.__dataclass_fields__ if name != "depth"]
        return {prefix + name: getattr(self, name) for name in names} | {prefix + "depth": np.array(self.depth)}

    @classmethod
    def of(cls, arrays: Mapping[str, Any], prefix: str = "forest_") -> Forest:
        """The forest that `arrays` holds; KeyError where there is none."""
        stored = {name: arrays[prefix + name] for name in cls.__dataclass_fields__}
        return cls(**{**stored, "depth": int(stored["depth"])})


def grow(
    rows: Float32,
    targets: Int64,
    seed: int,
    weights: Array | None = None,
    trees: int = 50,
    min_leaf: int = 2,
    max_depth: int = 16,
    max_rows: int = 30_000,
) -> Forest:
    """Grow a random forest (Breiman, 2001): bootstrapped trees of at most `max_rows` rows, sqrt(F) features a split.

    Parameters
    ----------
    rows : (n, F) float32, finite
    targets : (n,) int64
    weights : (n,) float or None
        What each row counts for.
    """
    from sklearn.ensemble import RandomForestClassifier

    share = max_rows if len(rows) > max_rows else None
    model = RandomForestClassifier(
        trees,
        max_depth=max_depth,
        min_samples_leaf=min_leaf,
        max_samples=share,
        random_state=seed,
        n_jobs=-1,
    )
    with warnings.catch_warnings():
        # Nearly as many classes as regions is no mistake here.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        model.fit(rows, targets, sample_weight=weights)
    return of_sklearn(model)


def of_sklearn(model: Any) -> Forest:
    """The arrays of a fitted `RandomForestClassifier`."""
    columns: dict[str, list[Array]] = {"feature": [], "threshold": [], "children": [], "shares": []}
    roots, first = [], 0
    for tree in (estimator.tree_ for estimator in model.estimators_):
        leaf = tree.children_left < 0
        own = np.arange(tree.node_count)
        both = np.stack([np.where(leaf, own, tree.children_left), np.where(leaf, own, tree.children_right)], axis=1)
        columns["feature"].append(np.where(leaf, 0, tree.feature).astype(np.int32))
        columns["threshold"].append(_below(np.where(leaf, np.inf, tree.threshold)))
        columns["children"].append((both + first).astype(np.int32).ravel())
        shares = tree.value[:, 0, :]
        columns["shares"].append((shares / shares.sum(axis=1, keepdims=True)).astype(np.float32))
        roots.append(first)
        first += tree.node_count
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    depth = max(estimator.tree_.max_depth for estimator in model.estimators_)
    return Forest(np.asarray(model.classes_, np.int64), np.array(roots, np.int32), depth=int(depth), **whole)


def _below(values: Array) -> Float32:
    """The largest float32 that is not above each value: a float32 exceeds both or neither."""
    rounded = values.astype(np.float32)
    return np.where(rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)
