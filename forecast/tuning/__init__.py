"""Search for better settings on keras-tuner: see `search` for the road, `ordered` for what makes it repeatable."""
