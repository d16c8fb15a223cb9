"""Documents as sequences of words, and vectors of words."""
