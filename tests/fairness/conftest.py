"""The REST surface, as its own tests have it."""

from __future__ import annotations

from tests.rest.conftest import shared_surface, surface

__all__ = ["shared_surface", "surface"]
