"""A trainer's time: the schedule, what of it is free, and notifying those who watch."""
