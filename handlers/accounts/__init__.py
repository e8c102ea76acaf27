"""Accounts: registering, signing in, and what keeps a device signed in."""
