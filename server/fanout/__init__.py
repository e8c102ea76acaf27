"""Live delivery: what is published reaches every member of a room on every node, in the order of the log."""
