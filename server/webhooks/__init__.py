"""Outbound webhooks on the wire: names are looked up, addresses checked, requests sent."""
