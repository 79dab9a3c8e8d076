"""Settings of methods and options of datasets as typed models: one base, one check, one description."""

from .base import Choices, Count, Fraction, NonNegative, Positive, Settings, refuse_no_model, settings_of, values_to_try
from .check import check_settings
from .description import SettingDescription, describe_settings

__all__ = [
    "Choices",
    "Count",
    "Fraction",
    "NonNegative",
    "Positive",
    "SettingDescription",
    "Settings",
    "check_settings",
    "describe_settings",
    "refuse_no_model",
    "settings_of",
    "values_to_try",
]
