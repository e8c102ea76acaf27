"""Outbound webhooks: their endpoints, signatures and deliveries."""
