"""Number formats of the chip: fixed point, float codes, and the link."""
