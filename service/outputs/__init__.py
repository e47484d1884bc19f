"""Outputs: where the service sends captions of its own accord, if its settings say so."""
