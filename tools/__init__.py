"""What writes pages and pictures of the documentation and numbers of the code.

It may import every package, and no package imports it.
"""
