"""The client's side of a booking's exclusivity: who trains here cannot train elsewhere."""

from __future__ import annotations

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.bookings import OCCUPYING, Booking, client_claims
from store.database import Database, Session
from store.schema import CollectionSchema

NAME = "clientClaims"
CLAIMS_INDEX = "clientClaims"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("client", ASCENDING), ("claims", ASCENDING)], name=CLAIMS_INDEX, unique=True),
            IndexModel([("booking", ASCENDING)], name="booking", unique=True),
        ),
    ),
)


class ClientClaims:
    """Called within a booking's transaction only."""

    def __init__(self, database: Database) -> None:
        self._claims = database.collection(NAME)

    async def put(self, booking: Booking, *, session: Session) -> None:
        """As the booking now stands; raises ``DuplicateKeyError`` when the client has another session then."""
        of_booking = {"booking": ObjectId(booking.id)}
        if booking.status not in OCCUPYING:
            await self._claims.delete_one(of_booking, session=session)
            return
        document = {**of_booking, "client": ObjectId(booking.client_id), "claims": client_claims(booking)}
        await self._claims.replace_one(of_booking, document, upsert=True, session=session)
