"""Roles of columns that nobody named: guessed where the table leaves no doubt, else proposed."""
