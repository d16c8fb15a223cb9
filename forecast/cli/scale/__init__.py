"""Commands about parts and segments of a table, and options of the workers that they run on."""
