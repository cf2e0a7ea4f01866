"""Wafers as they come in: checks, scales, and chunks of long tables."""
