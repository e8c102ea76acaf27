"""Files: taking them in, giving them out, what uses them, and the end of those that nothing uses."""
