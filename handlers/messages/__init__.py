"""The conversation log: sending and changing messages, reading them back, and what recovery republishes."""
