"""What writes pages and pictures of the documentation. It may import every package, and no package imports it."""
