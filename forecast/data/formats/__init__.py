"""Forms of tables: a reader per kind of file and of object."""
