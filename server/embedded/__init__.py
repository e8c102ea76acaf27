"""Real MongoDB and Redis servers for a first run and for the tests, kept under DATA_DIR.

A small daemon runs them and lives as long as a program holds a connection to it, however that program ends.
"""

from server.embedded.client import Urls, servers
from server.embedded.programs import EmbeddedError

__all__ = ["EmbeddedError", "Urls", "servers"]
