"""Readers of CSV, Parquet and ROOT files."""
