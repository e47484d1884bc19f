"""The training loop for any `Task`; it knows nothing of signs."""
