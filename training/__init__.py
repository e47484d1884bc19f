"""Training: torch models, losses, data and the commands `python -m training train` and `evaluate`."""
