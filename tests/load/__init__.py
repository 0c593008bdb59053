"""Load and faults; the short form runs with the suite, the long one with `python3 dev.py soak`."""
