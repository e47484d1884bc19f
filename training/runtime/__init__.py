"""Processes that train together, and files that are written whole or not at all."""
