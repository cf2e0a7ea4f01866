"""Number formats of the chip: fixed point, float codes, bits, and the link."""
