"""The REST surface, as its own tests have it."""

from __future__ import annotations

from tests.rest.conftest import surface

__all__ = ["surface"]
