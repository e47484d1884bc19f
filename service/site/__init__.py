"""The page, the description of the interfaces at `/docs`, and the headers that protect both."""
