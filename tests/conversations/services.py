"""People and their devices, for tests that mind neither sockets nor the number of nodes; and a node without sockets,
where commands go to their handlers as the dispatcher would hand them over."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from domain import rooms
from domain.errors import DomainError
from domain.slots import SlotHint
from domain.wire import codec
from domain.wire.events import CONVERSATIONS, Event
from handlers.access import Actor
from handlers.context import Context
from server.app import utc_now
from server.protocol import packets
from server.security.secrets import ServerSecrets, SignedUrls
from server.security.tokens import AccessTokens
from server.sockets.namespaces import NAMESPACES
from server.sockets.typing import TypingIndicators
from store.database import Database
from store.store import Store
from tests.harness.devices import Data, Refused
from tests.harness.nodes import SECRET
from tests.harness.people import People, Person

_ROWS = {row.event: row for row in NAMESPACES[CONVERSATIONS]}


class Recorder:
    """A publisher that remembers what was said in which room, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, Data]] = []

    def publish(self, event: Event, *rooms: str) -> None:
        data = json.loads(codec.encode(event))
        self.said += [(room, event.name, data) for room in rooms]

    def hint_slots(self, trainer_id: str, hint: SlotHint) -> None:
        """Nobody watches."""

    def announce_head(self, conversation_id: str, seq: int, *rooms: str) -> None:
        """Without gates everybody has received everything."""

    def to(self, person: Person, name: str | None = None) -> list[tuple[str, Data]]:
        """What each device of the person received."""
        room = rooms.user(person.id)
        return [(event, data) for to, event, data in self.said if to == room and name in (None, event)]

    def events(self, person: Person, name: str) -> list[Data]:
        return [data for _, data in self.to(person, name)]


Received = tuple[str, Data]


class Caller(ABC):
    """One device of a person, whose commands start in the order in which they are given."""

    def __init__(self, person: Person) -> None:
        self.person = person

    @abstractmethod
    async def ask(self, event: str, data: object) -> Data:
        """The whole acknowledgement of a command."""

    @abstractmethod
    async def told(self) -> list[Received]:
        """What every device of the person has received, once all that was said has arrived; in order."""

    async def do(self, event: str, data: Data | None = None) -> Data:
        """What a successful command answers; raises ``Refused``."""
        answer = await self.ask(event, data or {})
        if not answer["ok"]:
            raise Refused(answer["error"])
        found: Data = answer["data"]
        return found

    async def send(self, conversation_id: str, client_message_id: str, text: str = "hello") -> Data:
        """Send a message; answers it as stored."""
        command = {"conversationId": conversation_id, "clientMessageId": client_message_id, "text": text}
        message: Data = (await self.do("message:send", command))["message"]
        return message

    async def received(self, name: str) -> list[Data]:
        return [data for event, data in await self.told() if event == name]


class ConversationService(ABC):
    """A service with people. ``store``: a view of its database."""

    store: Store
    people: People

    @abstractmethod
    def device(self, person: Person) -> Caller: ...

    @abstractmethod
    def another(self) -> ConversationService:
        """The same people at another node."""

    @abstractmethod
    async def settled(self) -> None:
        """Return when what is written behind is written."""


class OneNodeService(ConversationService):
    """Everything a node does for ``/conversations``; make several over one database to have several nodes."""

    def __init__(
        self, database: Database, recorder: Recorder | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.database = database
        self.store = Store(database)
        self.recorder = recorder or Recorder()
        self.typing = TypingIndicators(self.recorder)
        self.people = People(self.store, AccessTokens(SECRET), clock)
        nobody: Any = cast(Any, None)
        self.context = Context(
            store=self.store,
            publisher=self.recorder,
            passwords=nobody,
            tokens=nobody,
            secrets=nobody,
            mailer=nobody,
            pusher=nobody,
            webhooks=nobody,
            sockets=nobody,
            typing=self.typing,
            presence=nobody,
            slot_watches=nobody,
            files=SignedUrls(ServerSecrets(SECRET), clock),
            pictures=nobody,
            payments=nobody,
            return_url="",
            clock=clock,
            limits=nobody,
        )

    def device(self, person: Person) -> NodeCaller:
        return NodeCaller(self, person)

    def another(self) -> OneNodeService:
        return OneNodeService(self.database, self.recorder, self.context.clock)

    async def settled(self) -> None:
        await self.store.drain()


class NodeCaller(Caller):
    def __init__(self, messaging: OneNodeService, person: Person) -> None:
        super().__init__(person)
        self.messaging = messaging
        self._actor = Actor(person.id, person.role, "0" * 24, person.session_id)

    async def ask(self, event: str, data: object) -> Data:
        row = _ROWS[event]
        try:
            command = codec.decode(row.command, json.dumps(data))
            envelope = packets.success(await row.handler(self.messaging.context, self._actor, command))
        except DomainError as error:
            envelope = packets.failure(error)
        answer: Data = json.loads(envelope)
        return answer

    async def told(self) -> list[Received]:
        return self.messaging.recorder.to(self.person)
