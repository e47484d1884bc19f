"""The REST interface: clips to glosses, tokens, captions, the bundle's description, and what monitoring asks for."""
