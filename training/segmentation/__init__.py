"""The learned segmenter: training on streams made of real clips, and its scores."""
