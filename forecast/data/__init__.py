"""Tables in, checked series out; no other folder reads data files.

Example:
    >>> from forecast import datasets, load_panel
    >>> panel = load_panel(datasets.load("air_passengers"))
    >>> panel.num_series, panel.num_rows, panel.freq.alias
    (1, 144, 'MS')
"""
