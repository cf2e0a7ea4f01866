"""Files of estimators, without code."""

from skemd._persistence._files import load, save

__all__ = ["load", "save"]
