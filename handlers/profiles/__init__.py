"""What people say of themselves, and what trainers sell."""
