"""Tables in, checked series out: the only place that reads data files."""
