"""Rate limits, counted in this process; another storage of the library can take its place."""
