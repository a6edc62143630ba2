"""The operations: rows of routes, and the handlers behind them."""
