"""Training losses, one module each. All compute in float32, whatever the inputs, and give a scalar unless said."""
