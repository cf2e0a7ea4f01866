"""Files that hold plain values and arrays, and no code."""
