"""Where signs start and end in streams: streams made of real clips, what is learned from them, and how it is scored."""
