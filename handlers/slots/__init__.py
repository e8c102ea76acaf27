"""A trainer's time: the schedule, what of it is free, and telling those who watch."""
