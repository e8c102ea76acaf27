"""Blocks between users, reports, and what administrators see and record."""
