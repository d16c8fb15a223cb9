"""Cells of number columns as people write them."""
