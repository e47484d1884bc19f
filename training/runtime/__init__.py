"""What the rest runs on: processes that train together, and files that are written whole or not at all."""
