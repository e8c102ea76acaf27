"""Both services, as the handlers see them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol

from handlers.ports import PushOutcome
from handlers.pushes import Push
from server.push.configuration import PushSettings
from store.pushes import Provider


class Service(Protocol):
    async def deliver(self, push: Push, registered_at: datetime) -> PushOutcome: ...
    async def stop(self) -> None: ...


class PushServices:
    """Those that the settings have; without one nothing is pushed."""

    def __init__(self, settings: PushSettings, clock: Callable[[], datetime]) -> None:
        self._services: dict[Provider, Service] = {}
        # Their libraries take a twentieth of a node's start: who does not push does without.
        if settings.apns is not None:
            from server.push.apns import Apns

            self._services["apns"] = Apns(settings.apns, clock, settings.apns_api_base)
        if settings.fcm is not None:
            from server.push.fcm import Fcm

            self._services["fcm"] = Fcm(settings.fcm, clock, settings.fcm_api_base)

    @property
    def providers(self) -> Collection[Provider]:
        return self._services.keys()

    async def deliver(self, provider: Provider, push: Push, registered_at: datetime) -> PushOutcome:
        return await self._services[provider].deliver(push, registered_at)

    async def stop(self) -> None:
        for service in self._services.values():
            await service.stop()
