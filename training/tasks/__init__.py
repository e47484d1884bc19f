"""Kinds of training: what each kind of task feeds its model, learns and is scored by, and what trains any of them."""
