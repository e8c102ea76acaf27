"""A Stripe of our own for development and tests. Nothing that serves in production imports it, and it imports nothing
of Spotter's.

It keeps state, and each request and answer is checked against Stripe's published OpenAPI document.
"""
