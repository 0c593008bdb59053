"""Benchmarks; each is run by `python3 dev.py bench NAME`."""
