"""Real nodes, real people and real devices for tests."""
