"""All access to MongoDB."""
