"""The parties: a client and a trainer with everything there may be between them, and everybody else."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import aiohttp

from domain.bookings import Booking
from domain.times import to_wire
from handlers.notifications.unsubscribing import path_of
from store.database import ClientSession
from tests.authorisation.people import Asker, People
from tests.authorisation.stored import Stored
from tests.bookings.market import Data, Market, Somebody
from tests.files.samples import PDF

WORDS = "between the two of them"
_PLENTY = 500


class Parties(People):
    """``secrets``: what no outsider's answer may hold."""

    def __init__(self, market: Market) -> None:
        super().__init__(market)
        self.stored = Stored(self.node.database, self.node.store)
        self.secrets: set[str] = set()
        self._numbers = count()
        self._sessions_over = count()
        self._lasting: dict[Made, str] = {}

    async def prepare(self) -> None:
        self.trainer = self.people["trainer"] = await self.newcomer("trainer")
        await self.market.schedule(self.trainer)
        self.client = self.people["client"] = await self.newcomer("client")
        other = self.people["other client"] = await self.newcomer("client")
        self.people["other trainer"] = await self.newcomer("trainer")
        self.admin = self.people["admin"] = await self.newcomer("admin")
        await self.market.grant(self.client, self.trainer, _PLENTY)
        await self.market.grant(other, self.trainer, _PLENTY)
        self.conversation: str = (await self._booked())["conversationId"]
        self.secrets |= {WORDS, self.conversation, self.client.id}
        # In no answer to the other trainer, whom nothing was said to.
        await self.opened()
        for trainer in (self.trainer, self.people["other trainer"]):
            await self._sell(trainer)
        blocked = self.people["blocked"] = await self.newcomer("client")
        await self.block(blocked)

    async def made(self, of: Made, *, lasting: bool) -> str:
        """The id of something new or, ``lasting``, of what is made once for those who cannot harm it."""
        if not lasting:
            return await of(self)
        if of not in self._lasting:
            self._lasting[of] = await of(self)
        return self._lasting[of]

    async def _sell(self, trainer: Asker) -> None:
        """Stripe lets the trainer take money."""
        await self.done("PUT", "/me/pricing", {"isFiveSessionAvailable": True, "fiveSessionPrice": 20_000}, trainer)
        page = (await self.done("POST", "/me/stripe/onboarding", None, trainer))["url"]
        async with self.market.http.post(page, allow_redirects=False) as answer:
            assert answer.status == 303
        assert (await self.done("GET", "/me/stripe", None, trainer))["chargesEnabled"]

    # --- what belongs to client and trainer ---

    def new_purchase(self) -> Data:
        return {"trainerId": self.trainer.profile, "pack": "five"}

    async def purchase(self) -> str:
        return self._secret((await self._bought())["id"])

    async def paid_purchase(self) -> str:
        bought = await self._bought()
        payment, found = bought["payment"], self._secret(bought["id"])
        intent = payment["clientSecret"].partition("_secret_")[0]
        form = {"client_secret": payment["clientSecret"], "payment_method": "pm_card_visa"}
        headers = {"Authorization": f"Bearer {payment['publishableKey']}"}
        url = f"{payment['apiBase']}/v1/payment_intents/{intent}/confirm"
        async with self.market.http.post(url, data=form, headers=headers) as answer:
            assert answer.status == 200
        assert (await self.done("GET", f"/purchases/{found}", None, self.client))["status"] == "paid"
        return found

    async def _bought(self) -> Data:
        answer = await self.call("POST", "/purchases", self.new_purchase(), self.client, secrets.token_hex(8))
        assert answer.status == 201, answer
        bought: Data = answer.body
        return bought

    async def session(self) -> str:
        """Another device of the client's."""
        return self._secret((await self.market.people.another_device(self.client.person)).session_id)

    def free_start(self) -> str:
        """A slot of the trainer's that nobody was given before."""
        day, hour = divmod(next(self._numbers), 24)
        return to_wire(self.market.at(hour, days=2 + day))

    def new_booking(self) -> Data:
        return {"trainerId": self.trainer.profile, "startsAt": self.free_start(), "payWith": "credit"}

    async def _booked(self) -> Data:
        body = {**self.new_booking(), "note": WORDS}
        answer = await self.call("POST", "/bookings", body, self.client, secrets.token_hex(8))
        assert answer.status == 201, answer
        booked: Data = answer.body
        return booked

    async def booking(self) -> str:
        return self._secret((await self._booked())["id"])

    async def session_over(self) -> str:
        """A booking that took place within the last day: each its own 5 minutes of it."""
        first = self.market.clock().replace(minute=0, second=0, microsecond=0) - timedelta(hours=20)
        start = first + timedelta(minutes=5 * next(self._sessions_over))
        booking = self._past(start)

        async def insert(session: ClientSession) -> None:
            await self.node.store.bookings.insert(booking, self.market.clock(), session=session)

        await self.node.database.transaction(insert)
        return self._secret(booking.id)

    def _past(self, start: datetime) -> Booking:
        return Booking(
            id=self.node.store.bookings.new_id(),
            trainer_id=self.trainer.profile,
            client_id=self.client.profile,
            trainer_user_id=self.trainer.id,
            client_user_id=self.client.id,
            conversation_id=self.conversation,
            starts_at=start,
            ends_at=start + timedelta(minutes=5),
            time_zone="UTC",
            break_mins=0,
            cancellation_policy="ALWAYS_FREE",
            status="completed",
            paid_with="credit",
            arranged_at=start,
            created_at=start,
            updated_at=start,
        )

    async def review(self) -> str:
        return await self._made(self.client, f"/bookings/{await self.session_over()}/review", {"rating": 5})

    async def message(self) -> str:
        """By the client."""
        body = {"clientMessageId": secrets.token_hex(8), "text": WORDS}
        path = f"/conversations/{self.conversation}/messages"
        return self._secret((await self.done("POST", path, body, self.client))["message"]["id"])

    async def in_conversation(self) -> str:
        """The conversation, with a message that is new."""
        await self.message()
        return self.conversation

    async def opened(self) -> str:
        """A conversation that the client opened with the other trainer, who was not told anything yet."""
        other = self.people["other trainer"]
        assert other is not None
        return await self._opened_with(other)

    async def opened_to_begin(self) -> str:
        """The same with a new trainer, so that it may begin."""
        return await self._opened_with(await self.newcomer("trainer"))

    async def _opened_with(self, other: Somebody) -> str:
        opened = await self.node.store.conversations.open(self.client.id, other.id, self.market.clock())
        return self._secret(opened.membership.conversation_id)

    async def certificate(self) -> str:
        return await self._made(self.trainer, "/me/certificates", {"certificateName": "First aid"})

    async def exception(self) -> str:
        day = self.market.clock() + timedelta(days=100 + next(self._numbers))
        body = {"date": day.date().isoformat()}
        return self._secret(await self._made(self.trainer, "/me/availability/exceptions", body))

    async def file(self) -> str:
        """The client's own, shown to nobody yet."""
        return self._secret(await self._made(self.client, "/files", a_file()))

    async def sent_file(self) -> str:
        file_id = await self.file()
        body = {"clientMessageId": secrets.token_hex(8), "pdfUrls": [file_id]}
        await self.done("POST", f"/conversations/{self.conversation}/messages", body, self.client)
        return file_id

    async def report(self) -> str:
        """By the client, of the trainer; it waits."""
        return await self._made(self.client, "/reports", {"userId": self.trainer.id, "reason": WORDS})

    async def feed(self) -> str:
        """The secret part of the address of somebody's calendar feed."""
        url: str = (await self.done("POST", "/me/calendar", None, await self.newcomer("client")))["url"]
        return url.removeprefix("/v1/calendar/").removesuffix(".ics")

    async def unsubscribing(self) -> str:
        """The secret part of the link in somebody's mail."""
        somebody = await self.newcomer("client")
        return path_of(self.node.secrets, somebody.id, "message").removeprefix("/v1/unsubscribe/")

    async def trainer_profile(self) -> str:
        return self.trainer.profile

    # --- the catalogue ---

    async def category(self) -> str:
        return await self._made(self.admin, "/admin/categories", {"name": secrets.token_hex(6)})

    async def sub_category(self) -> str:
        body = {"name": secrets.token_hex(6), "category": await self.category()}
        return await self._made(self.admin, "/admin/subcategories", body)

    async def webhook(self) -> str:
        """Of what does not happen here."""
        body = {"url": f"https://hooks.example/{WORDS.replace(' ', '-')}", "events": ["dispute.opened"]}
        return self._secret(await self._made(self.admin, "/admin/webhooks", body))

    async def _made(self, who: Somebody, path: str, said: Any) -> str:
        made: str = (await self.done("POST", path, said, who))["id"]
        return made

    def _secret(self, found: str) -> str:
        self.secrets.add(found)
        return found


def a_file() -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", PDF, filename="a.pdf")
    return form


Made = Callable[[Parties], Awaitable[str]]
