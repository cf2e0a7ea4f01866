"""Benchmarks of skemd: each compares rivals side by side in one run, as ratios."""
