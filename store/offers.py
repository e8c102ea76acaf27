"""What a trainer says of himself and sells, each change in one transaction with the listing that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bson import ObjectId

from domain.accounts import Role, User, unauthenticated
from domain.catalogue import Category, Pricing, Specialization, SubCategory, require_known
from domain.profiles import Profile
from store import categories, listings
from store.availability import Availability
from store.bookmarks import Bookmarks
from store.categories import Categories
from store.certificates import Certificates
from store.database import ClientSession, Database
from store.failures import repository
from store.file_fields import FileFields, profile_image, service_images
from store.listings import Listings
from store.pricings import Pricings
from store.profiles import Profiles
from store.specializations import Specializations


@repository
class Offers:
    def __init__(
        self,
        database: Database,
        profiles: Profiles,
        pricings: Pricings,
        categories: Categories,
        specializations: Specializations,
        certificates: Certificates,
        bookmarks: Bookmarks,
        listings: Listings,
        files: FileFields,
        availability: Availability,
    ) -> None:
        self._database = database
        self._profiles = profiles
        self._pricings = pricings
        self._categories = categories
        self._specializations = specializations
        self._certificates = certificates
        self._bookmarks = bookmarks
        self._listings = listings
        self._files = files
        self._availability = availability

    async def update_profile(self, role: Role, profile_id: str, values: Mapping[str, object], now: datetime) -> None:
        """By stored names. Raises ``validation_failed`` for a file that is not the owner's own image."""

        async def body(session: ClientSession) -> None:
            before = await self._update(role, profile_id, values, now, session)
            for field in (profile_image(profile_id), service_images(profile_id)):
                if field.name in values:
                    held, wanted = _ids(getattr(before, field.name)), _ids(values[field.name])
                    await self._files.exchange(field, before.user, held, wanted, now, session=session)
            if role == "trainer":
                await self._listings.refresh(profile_id, session=session)

        await self._database.transaction(body, hot=[listings.hot(profile_id)])

    async def set_pricing(self, pricing: Pricing, now: datetime) -> None:
        async def body(session: ClientSession) -> None:
            await self._update("trainer", pricing.trainer_id, {}, now, session)
            await self._pricings.put(pricing, now, session=session)
            await self._listings.refresh(pricing.trainer_id, session=session)

        await self._database.transaction(body, hot=[listings.hot(pricing.trainer_id)])

    async def set_specializations(
        self, trainer_id: str, offered: Sequence[Specialization], now: datetime
    ) -> tuple[dict[str, Category], dict[str, SubCategory]]:
        """In place of all earlier ones; raises ``validation_failed``."""
        category_ids = {one.category_id for one in offered}
        sub_ids = {sub for one in offered for sub in one.sub_category_ids}

        async def body(session: ClientSession) -> tuple[dict[str, Category], dict[str, SubCategory]]:
            known = await self._categories.by_ids(category_ids, session=session)
            subs = await self._categories.subs_by_ids(sub_ids, session=session)
            require_known(offered, known, subs)
            held = (await self._specializations.of([trainer_id], session=session)).get(trainer_id, [])
            # What is in use all along is not begun to be used: others' documents are left alone.
            fresh = category_ids - {one.category_id for one in held}
            fresh_subs = sub_ids - {sub for one in held for sub in one.sub_category_ids}
            await self._categories.touch(fresh, fresh_subs, session=session)
            await self._specializations.replace(trainer_id, offered, now, session=session)
            ids = tuple(ObjectId(one.id) for one in offered)
            await self._update("trainer", trainer_id, {"specialization": ids}, now, session)
            await self._listings.refresh(trainer_id, session=session)
            return known, subs

        return await self._database.transaction(
            body, hot=[listings.hot(trainer_id), *map(categories.hot, category_ids)]
        )

    async def forget(self, user: User, *, session: ClientSession) -> None:
        """What belongs to an erased profile but itself and its files; of reviews the words go elsewhere."""
        profile_id = user.profile_id
        await self._bookmarks.delete_all(profile_id, session=session)
        if user.role == "trainer":
            await self._pricings.delete(profile_id, session=session)
            await self._specializations.delete(profile_id, session=session)
            await self._certificates.delete_all(profile_id, session=session)
            await self._availability.forget(profile_id, session=session)

    async def _update(
        self, role: Role, profile_id: str, values: Mapping[str, object], now: datetime, session: ClientSession
    ) -> Profile:
        """The profile as it was before; raises ``unauthenticated`` when it was erased meanwhile."""
        before = await self._profiles.update(role, profile_id, values, now, session=session)
        if before is None:
            raise unauthenticated()
        return before


def _ids(value: object) -> tuple[str, ...]:
    """What a field of one file, or of several, refers to."""
    if isinstance(value, tuple):
        return value
    return () if value is None else (str(value),)
