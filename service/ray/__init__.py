"""The service on Ray Serve: front ends and recognisers on several machines."""
