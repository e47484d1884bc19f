"""Losses and streams compared on signers left out: `python -m training compare`."""
