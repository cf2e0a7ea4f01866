"""Wafers as they come in: checks, scales, chunks of long tables, padding of images."""
