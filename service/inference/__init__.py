"""The model and what decides when it runs: batches of windows from all streams, here or in other processes."""
