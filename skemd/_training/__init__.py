"""The one training loop, and the networks that it trains."""
