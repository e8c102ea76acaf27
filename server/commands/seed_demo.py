"""``seed-demo``: a small marketplace to look at, made by the commands that clients give.

A second run makes what is missing and nothing twice.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from domain.accounts import Role, User
from domain.text import folded
from domain.wire.availability import ListSlots, SetAvailability, WindowField
from domain.wire.bookings import CreateBooking, ListBookings
from domain.wire.catalogue import AddCategory, AddSubCategory, CategoryAnswer, ListCategories, SubCategoryAnswer
from domain.wire.conversations import OpenConversation, SendMessage
from domain.wire.profiles import AddCertificate, ListCertificates, OfferedCategory, SetPricing, SetSpecializations
from domain.wire.profiles import UpdateProfile as Profile
from handlers.access import Actor, Visitor
from handlers.bookings.commands import create_booking
from handlers.bookings.queries import list_bookings
from handlers.catalogue.categories import add_category, add_sub_category, list_categories
from handlers.context import Context
from handlers.files.upload import Upload, upload
from handlers.messages.commands import send_message
from handlers.messages.conversations import open_conversation
from handlers.profiles.certificates import add_certificate, list_certificates
from handlers.profiles.offers import set_pricing, set_specializations
from handlers.profiles.profile import get_profile, update_profile
from handlers.slots.free import list_slots
from handlers.slots.schedule import set_availability
from server.app import Node
from server.commands import demo
from server.commands.environment import reported, servers
from server.settings import Settings
from store.audit import unrecorded
from store.profiles import NewProfile

ADMIN = "admin"


@reported
async def run(settings: Settings, options: argparse.Namespace) -> int:
    if settings.production:
        print("seed-demo is for development: it makes users with a password that everybody knows.", file=sys.stderr)
        return 2
    async with servers(settings) as urls:
        # A node beside whatever serves, so that everything is told to who is connected; nobody is told its address.
        node = Node(replace(settings, host="127.0.0.1", port=0, workers=1), urls.mongo, urls.redis)
        try:
            await node.start()
            assert node.preparation is not None
            await node.preparation
            await Demo(node.context).make()
        finally:
            await node.stop()
    print(f"These sign in with the password {demo.PASSWORD}:")
    for login in (ADMIN, *(one.login for one in demo.TRAINERS), *(login for login, *_ in demo.CLIENTS)):
        print(f"  {login}@{demo.DOMAIN}")
    return 0


@dataclass(frozen=True)
class _Person:
    actor: Actor
    initials: str
    color: tuple[int, int, int]


class Demo:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._people: dict[str, _Person] = {}

    async def make(self) -> None:
        hashed = await self._context.passwords.hash(demo.PASSWORD)
        admin = await self._person("superAdmin", ADMIN, "Demo Admin", "UTC", (0, 0, 0), hashed)
        ids = await self._categories(admin.actor)
        for trainer in demo.TRAINERS:
            person = await self._person("trainer", trainer.login, trainer.name, trainer.zone, trainer.color, hashed)
            await self._picture(person)
            await self._offer(person.actor, trainer, ids)
        for login, name, zone, color in demo.CLIENTS:
            await self._picture(await self._person("client", login, name, zone, color, hashed))
        for client, trainer_login, lines in demo.CONVERSATIONS:
            await self._conversation(self._people[client], self._people[trainer_login], lines)
        for client, trainer_login in demo.TRIALS:
            await self._trial(self._people[client].actor, self._people[trainer_login].actor)

    async def _person(
        self, role: Role, login: str, name: str, zone: str, color: tuple[int, int, int], hashed: str
    ) -> _Person:
        store, now = self._context.store, self._context.now()
        email = f"{login}@{demo.DOMAIN}"
        user = await store.users.by_email(email)
        if user is None:
            user = User(
                id=store.users.new_id(),
                email=email,
                role=role,
                profile_id=store.users.new_id(),
                password=hashed,
                password_changed_at=now,
                is_verified=True,
                created_at=now,
                updated_at=now,
            )
            profile = NewProfile(
                id=user.profile_id, user_id=user.id, name=name, email=email, time_zone=zone, created_at=now
            )
            await store.accounts.create(user, profile, unrecorded)
        actor = Actor(user.id, user.role, user.profile_id, session_id="", address="127.0.0.1")
        initials = "".join(word[0] for word in name.split()[:2])
        person = self._people[login] = _Person(actor, initials, color)
        return person

    async def _categories(self, admin: Actor) -> dict[str, str]:
        """Ids by name; those of subcategories by "category/subcategory"."""
        ids: dict[str, str] = {}
        found = await list_categories(self._context, Visitor(), ListCategories(limit=100))
        known = {folded(one.name): one for one in found.items}
        for name, subs in demo.CATEGORIES.items():
            category = known.get(folded(name))
            if category is None:
                made = await add_category(self._context, admin, AddCategory(name=name))
                category = cast(CategoryAnswer, made)
            ids[name] = category.id
            have = {folded(sub.name): sub.id for sub in category.sub_categories}
            for sub in subs:
                added = have.get(folded(sub))
                if added is None:
                    command = AddSubCategory(name=sub, category=category.id)
                    added = cast(SubCategoryAnswer, await add_sub_category(self._context, admin, command)).id
                ids[f"{name}/{sub}"] = added
        return ids

    async def _upload(self, person: _Person) -> str:
        content = await asyncio.to_thread(demo.picture, person.initials, person.color)

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        return (await upload(self._context, person.actor, Upload("picture.jpg", chunks()))).id

    async def _picture(self, person: _Person) -> None:
        if (await get_profile(self._context, person.actor, None)).profile_image is None:
            await update_profile(self._context, person.actor, Profile(profile_image=await self._upload(person)))

    async def _offer(self, actor: Actor, trainer: demo.Trainer, ids: dict[str, str]) -> None:
        profile = Profile(
            city=trainer.city,
            country=trainer.country,
            studio_name=trainer.studio,
            studio_city=trainer.city,
            studio_country=trainer.country,
            years_of_experience=trainer.years,
        )
        await update_profile(self._context, actor, profile)
        offered = tuple(
            OfferedCategory(
                session_category=ids[category], sub_categories=tuple(ids[f"{category}/{sub}"] for sub in subs)
            )
            for category, subs in trainer.offers.items()
        )
        await set_specializations(self._context, actor, SetSpecializations(specializations=offered))
        pricing = SetPricing(
            free_trial=True,
            weekly_trial_limit=5,
            individual_session_price=trainer.price,
            is_individual_session_available=True,
            five_session_price=trainer.price * 9 // 2,
            is_five_session_available=True,
            ten_session_price=trainer.price * 8,
            is_ten_session_available=True,
        )
        await set_pricing(self._context, actor, pricing)
        days = tuple(
            WindowField(day=day, start_time=start, end_time=end)  # type: ignore[arg-type]
            for day, windows in trainer.hours.items()
            for start, end in windows
        )
        week = SetAvailability(
            time_zone=trainer.zone, session_duration_in_mins=trainer.minutes, break_between_session_mins=15, days=days
        )
        await set_availability(self._context, actor, week)
        if not (await list_certificates(self._context, actor, ListCertificates())).items:
            certificate = AddCertificate(certificate_name="First aid for trainers", about_you="Renewed each year.")
            await add_certificate(self._context, actor, certificate)

    async def _conversation(self, client: _Person, trainer: _Person, lines: tuple[tuple[str, str], ...]) -> None:
        opened = await open_conversation(self._context, client.actor, OpenConversation(user_id=trainer.actor.user_id))
        conversation = opened.conversation
        # Lines are keyed, and a repeat has to be the same to the last picture: what is there is there.
        for number, (side, line) in list(enumerate(lines))[conversation.head :]:
            sender = client if side == "c" else trainer
            pictured = demo.PICTURE in line
            message = SendMessage(
                conversation_id=conversation.id,
                client_message_id=f"demo-{number}",
                text=line.replace(demo.PICTURE, "").strip(),
                image_urls=(await self._upload(sender),) if pictured else (),
            )
            await send_message(self._context, sender.actor, message)

    async def _trial(self, client: Actor, trainer: Actor) -> None:
        if (await list_bookings(self._context, client, ListBookings())).items:
            return
        now = self._context.now()
        listed = ListSlots(trainer_id=trainer.profile_id, since=_day(now, 2), until=_day(now, 16))
        found = await list_slots(self._context, Visitor(), listed)
        command = CreateBooking(
            trainer_id=trainer.profile_id,
            starts_at=found.slots[0].starts_at,
            pay_with="trial",
            note="My first time!",
            idempotency_key=f"demo-{found.slots[0].starts_at}",
        )
        await create_booking(self._context, client, command)


def _day(now: datetime, ahead: int) -> str:
    return (now + timedelta(days=ahead)).date().isoformat()
