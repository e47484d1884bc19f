"""The protocol of websocket `/v1/stream`: its messages, their framing, and the codes of errors and closes."""
