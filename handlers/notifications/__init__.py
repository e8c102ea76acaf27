"""What people are notified of besides live events: what they want, their devices, pushes, digests."""
