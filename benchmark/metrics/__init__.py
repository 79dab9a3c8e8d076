"""Metric families, one file each, and what they are made of."""

from .base import MetricFamily
from .label_checks import class_labels, true_labels

__all__ = ["MetricFamily", "class_labels", "true_labels"]
