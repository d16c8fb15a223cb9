"""Tables of sequences: the columns with a role, read, checked, and put in order."""
