"""Forecasts over HTTP, without TensorFlow.

limits           how much one request, and all together, may take
served_models    the models by name, and new versions of them, verified before they take over
bodies           the body of a request as a table, with its limits
answers          a table and a model to the forecast that `forecast predict` writes
admission        how many requests are worked on at a time, and how many wait
gate             token, bytes and slow senders, before a request reaches the app
counters         what `/metrics` shows
app              the paths
server           the process: address, signals, start and end
"""
