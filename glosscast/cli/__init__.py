"""The command line: one module for each command, and `command_line`, which knows them all."""

from glosscast.cli.command_line import main

__all__ = ["main"]
