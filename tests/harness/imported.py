"""What a server imports, for ``forked`` to do once: nothing of it is run."""

from __future__ import annotations

import gc

import server.commands.serve
import server.commands.stripe_sandbox  # noqa: F401

# Nothing of it is garbage, and a collection in a forked process would copy all of it.
gc.freeze()
