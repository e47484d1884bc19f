"""Lexicons: a user's own signs, taught from a few examples and read beside the vocabulary of a bundle.

`signs` holds them, `teaching` makes examples of clips, `reading` reads with them, `likeness` compares them, and `file`
stores them.
"""
