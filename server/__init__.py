"""The running server: settings, gateway, fan-out, background work, and the root that wires them."""
