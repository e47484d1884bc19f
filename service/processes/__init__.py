"""Code that hostile input could crash or hang, in processes of its own: decoding of clips, and trackers."""
