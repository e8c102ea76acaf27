"""Spotter's entry point: ``python run.py`` serves; ``python run.py --help`` names the other commands."""

from __future__ import annotations

import gc
import sys

from server.cli import main

if __name__ == "__main__":
    # Nothing that is imported becomes garbage, and looking for it takes a sixth of a start.
    gc.disable()
    sys.exit(main(imported=gc.enable))
