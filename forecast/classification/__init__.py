"""Labels instead of numbers: one label for each whole sequence."""
