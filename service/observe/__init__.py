"""What operators see of the service: logs, metrics and traces. None of them holds anything about a person."""
