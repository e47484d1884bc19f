"""Lexicons of the service's callers: their store, and what requests and streams do with them."""
