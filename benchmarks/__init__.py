"""Measurements of Glosscast's cost on the machine at hand: `python -m benchmarks`."""
