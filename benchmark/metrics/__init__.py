"""Metric families, one file each, and what they are made of."""

from .base import MetricFamily

__all__ = ["MetricFamily"]
