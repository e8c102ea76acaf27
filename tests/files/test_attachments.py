"""Files in messages: the sender's own, for both sides, until the message is deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from handlers.files.sweeping import sweep
from server.app import utc_now
from tests.files import samples
from tests.files.shelf import Shelf
from tests.harness.devices import Refused, device


async def sweep_at(shelf: Shelf, **later: float) -> int:
    """The sweep of a node whose clock is ahead."""
    import dataclasses

    context = dataclasses.replace(shelf.running.node.context, clock=lambda: utc_now() + timedelta(**later))
    return await sweep(context)


def attached(conversation: str, key: str, **files: list[str]) -> dict[str, Any]:
    return {"conversationId": conversation, "clientMessageId": key, **files}


async def test_both_sides_see_what_was_sent(shelf: Shelf) -> None:
    client, trainer, conversation = await shelf.people.pair()
    stranger = await shelf.people.make()
    image, pdf = await shelf.uploaded(client, samples.image()), await shelf.uploaded(client, samples.PDF)
    async with device(shelf.running.url, client) as his, device(shelf.running.url, trainer) as hers:
        command = attached(conversation, "a", imageUrls=[image["id"]], pdfUrls=[pdf["id"]])
        sent = (await his.do("message:send", command))["message"]
        (heard,) = await hers.hear("message:new")
        assert heard["message"]["imageUrls"] == sent["imageUrls"]
        assert sent["text"] is None
        for url in (*sent["imageUrls"], *sent["pdfUrls"]):
            assert (await shelf.get(url))[0].status == 200
        assert (await shelf.get(f"/v1/files/{image['id']}", trainer))[0].status == 200
        assert (await shelf.get(f"/v1/files/{image['id']}", stranger))[0].status == 404
        again = (await his.do("message:send", command))["message"]
        assert again["id"] == sent["id"]
        with pytest.raises(Refused) as refused:
            await his.do("message:send", attached(conversation, "a", imageUrls=[image["id"]]))
        assert refused.value.code == "idempotency_conflict"
        synced = await hers.do("sync", {"cursors": {conversation: 0}})
        assert synced["conversations"][0]["entries"][0]["message"]["pdfUrls"] == sent["pdfUrls"]
        assert await sweep_at(shelf, days=3) == 0
        deleted = (await his.do("message:delete", {"messageId": sent["id"]}))["message"]
        assert (deleted["imageUrls"], deleted["pdfUrls"]) == ([], [])
    assert await sweep_at(shelf, minutes=2) == 2
    assert await shelf.counts() == {"files": 0, "fs.files": 0, "fs.chunks": 0}


async def test_only_one_s_own_of_the_right_kind(shelf: Shelf) -> None:
    client, trainer, conversation = await shelf.people.pair()
    image, hers_ = await shelf.uploaded(client, samples.image()), await shelf.uploaded(trainer, samples.image())
    async with device(shelf.running.url, client) as his:
        for files, field in (
            ({"imageUrls": [image["id"], hers_["id"]]}, "imageUrls[1]"),
            ({"pdfUrls": [image["id"]]}, "pdfUrls[0]"),
            ({"videoUrls": ["0" * 24]}, "videoUrls[0]"),
            ({"imageUrls": [image["thumbnailUrl"].split("/")[3].partition("?")[0]]}, "imageUrls[0]"),
        ):
            with pytest.raises(Refused) as refused:
                await his.do("message:send", attached(conversation, "m", **files))
            assert refused.value.error["errors"][0]["field"] == field
        many = {"imageUrls": [image["id"]] * 6, "videoUrls": [image["id"]] * 5}
        with pytest.raises(Refused) as refused:
            await his.do("message:send", attached(conversation, "m", **many))
        assert refused.value.code == "validation_failed"
    # What was refused uses nothing: a day later all of it goes, the thumbnails as well.
    assert await sweep_at(shelf, days=2) == 2
    assert await shelf.counts() == {"files": 0, "fs.files": 0, "fs.chunks": 0}


async def test_unused_uploads_go_after_a_day(shelf: Shelf) -> None:
    client = await shelf.people.make()
    await shelf.uploaded(client, samples.mp4())
    assert await sweep_at(shelf, hours=23) == 0
    assert await sweep_at(shelf, hours=25) == 1
    assert await shelf.counts() == {"files": 0, "fs.files": 0, "fs.chunks": 0}
