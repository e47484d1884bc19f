"""What the commands of `python -m training` do with their arguments; what loads torch is imported where it is run."""
