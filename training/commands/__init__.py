"""The commands of `python -m training`. Modules that load torch are imported where a command needs them."""
