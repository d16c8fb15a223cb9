"""Commands about labels of sequences, categories over time, and symbols."""
