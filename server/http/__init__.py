"""The HTTP server below its routes: connections, addresses, the listener."""
