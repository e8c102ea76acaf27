"""What clients find: trainers, categories, reviews."""
