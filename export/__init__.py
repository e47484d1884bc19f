"""Export: a training checkpoint becomes a bundle, with proof that nothing changed on the way."""
