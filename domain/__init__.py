"""The rules and records of Spotter: no I/O, no clock, no randomness."""
