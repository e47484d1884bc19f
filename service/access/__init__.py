"""Access to the service: keys, tokens, rates and the origins of pages."""
