"""Build skemd; everything static stands in pyproject.toml."""

from setuptools import setup

setup()
