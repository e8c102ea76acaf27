"""Spotter's entry point: ``python run.py`` serves; ``python run.py --help`` names the other commands."""

from __future__ import annotations

import sys

from server.cli import main

if __name__ == "__main__":
    sys.exit(main())
