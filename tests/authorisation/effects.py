"""What a command may have done to the database, by who gave it."""

from __future__ import annotations

from tests.authorisation.stored import Contents, differences
from tests.bookings.market import Somebody

# Kept for all: how often a category was used, how often a code was guessed, how many blocks there were.
_COMMON = frozenset(
    {"sessionCategories", "sessionSubCategories", "registrations", "passwordResets", "signInTries",
     "userBlockCounters"}
)
# Nodes that died: those of other tests, which use the same Redis.
_OF_NODES = frozenset({"silences"})


def assert_untouched(before: Contents, after: Contents) -> None:
    touched = [found for found in differences(before, after) if found.collection not in _OF_NODES]
    assert not touched, touched


def assert_harmless(before: Contents, after: Contents, who: Somebody) -> None:
    """Nothing has changed of what was there and has nothing to do with who gave the command."""
    own = (who.id, who.profile, who.person.session_id)
    harmed = [
        found
        for found in differences(before, after)
        if found.before is not None
        and found.collection not in _COMMON | _OF_NODES
        and not any(one in str(found.before) for one in own)
    ]
    assert not harmed, harmed
