"""Which nodes live, and the work that survives their deaths."""
