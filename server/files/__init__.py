"""Signed URLs, and the processes that decode images."""
