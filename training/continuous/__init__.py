"""Continuous recognition: frame-wise logits with a CTC blank, learned from sentences and scored by their error rate."""
