"""Models: the encoders, the recognisers of signs and of sentences, checkpoints of them, and published weights."""
