"""Logs, metrics and traces of the service, for operators. None of them holds anything about a person."""
