"""Lists of the names that `run` and `evaluate` take."""

from __future__ import annotations


def list_datasets() -> list[str]:
    """Names of all datasets, those of plugins too.

    Examples
    --------
    >>> list_datasets()[:3]
    ['camvid', 'cityscapes', 'cocostuff']
    """
    from ..registry import datasets

    return list(datasets())


def list_methods(dataset: str | None = None, family: str | None = None) -> list[str]:
    """Names of all methods, those of plugins too.

    Parameters
    ----------
    dataset : str, optional
        Only methods for this dataset's task.
    family : str, optional
        Only `classical` or `learned` methods.

    Raises
    ------
    UserError
        For a dataset or family that does not exist.

    Examples
    --------
    >>> list_methods("medaka", family="classical")[:3]
    ['canny', 'chan-vese', 'constant']
    """
    from ..errors import UserError
    from ..registry import dataset_class, methods
    from ..text import unknown

    found = {name: cls.info for name, cls in methods().items()}
    families = sorted({info.family for info in found.values()})
    if family is not None and family not in families:
        raise UserError(unknown("family", family, families))
    info = None if dataset is None else dataset_class(dataset).info
    return [
        name
        for name, method in found.items()
        if family in (None, method.family)
        # The classes of a custom folder, and so its task, are known when it is read.
        and (info is None or not info.classes or info.task in method.tasks)
    ]


def list_metrics() -> list[str]:
    """Names of all metric families, for `evaluate(…, metrics=[…])` and `Evaluator(…, metrics=[…])`.

    Examples
    --------
    >>> list_metrics()[:2]
    ['binary-overlap', 'boundary']
    """
    from ..registry import metrics

    return list(metrics())


def list_presets() -> list[str]:
    """Names of all presets.

    Examples
    --------
    >>> list_presets()
    ['quick', 'standard', 'paper']
    """
    from ..runs.presets import preset_names

    return list(preset_names())
