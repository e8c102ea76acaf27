"""Payments: the intent is committed first, then Stripe is asked, and what it says is committed once."""
