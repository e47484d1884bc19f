"""Who may use the service, and how much of it: keys, tokens, rates and the origins of pages."""
