"""Parts of a saved model: what it may hold, and who wrote it."""
