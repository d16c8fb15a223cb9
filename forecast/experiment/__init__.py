"""What an experiment is: its settings and their file, what the data decide, and the way from a table to windows."""
