"""The devices that a user's pushes go to."""

from __future__ import annotations

from domain.wire.notifications import PutDevice, RemoveDevice
from handlers.access import Actor
from handlers.context import ReadContext
from handlers.idempotency import idempotent


@idempotent("device:put")
async def put_device(context: ReadContext, actor: Actor, command: PutDevice) -> None:
    """Pushes go to it from now on, until it is removed, its token ends or its session does. Whoever registers too many
    loses those that were not registered for longest."""
    await context.store.devices.put(
        actor.user_id, command.device_id, command.platform, command.token, actor.session_id, context.now()
    )


@idempotent("device:remove")
async def remove_device(context: ReadContext, actor: Actor, command: RemoveDevice) -> None:
    """Nothing happens where there is none such."""
    await context.store.devices.remove(actor.user_id, command.device_id)
