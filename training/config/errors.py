"""The error of a config file that cannot be used."""


class ConfigError(ValueError):
    """A config file cannot be used; the message names the file and the key."""
