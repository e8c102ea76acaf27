"""The REST surface over a database that the folder shares: each test brings people of its own."""

from __future__ import annotations

from tests.catalogue.conftest import catalogue, shared_database, surface

__all__ = ["catalogue", "shared_database", "surface"]
