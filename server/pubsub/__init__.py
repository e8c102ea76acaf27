"""Redis pub/sub: connections, topologies, and the bus that nodes publish on."""
