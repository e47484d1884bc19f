"""Live captions: the connections to websocket `/v1/stream` and the sessions behind them."""
