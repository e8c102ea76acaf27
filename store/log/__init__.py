"""The conversation log: an append-only, gapless sequence of entries a conversation."""
