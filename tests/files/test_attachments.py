"""Files in messages: the sender's own, for both sides, until the message is deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.files import FileUse
from domain.times import whole_milliseconds
from server.app import utc_now
from tests.files import samples
from tests.files.service import NOTHING, FileService
from tests.harness.devices import Refused, device
from tests.harness.people import Person


def attached(conversation: str, key: str, **files: list[str]) -> dict[str, Any]:
    return {"conversationId": conversation, "clientMessageId": key, **files}


async def test_both_sides_see_what_was_sent(shelf: FileService) -> None:
    client, trainer, conversation = await shelf.people.pair()
    stranger = await shelf.people.make()
    image, pdf = await shelf.uploaded(client, samples.image()), await shelf.uploaded(client, samples.PDF)
    async with device(shelf.running.url, client) as his, device(shelf.running.url, trainer) as hers:
        command = attached(conversation, "a", imageUrls=[image["id"]], pdfUrls=[pdf["id"]])
        sent = (await his.do("message:send", command))["message"]
        (received,) = await hers.receive("message:new")
        assert received["message"]["imageUrls"] == sent["imageUrls"]
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
        assert await shelf.sweep(days=3) == 0
        deleted = (await his.do("message:delete", {"messageId": sent["id"]}))["message"]
        assert (deleted["imageUrls"], deleted["pdfUrls"]) == ([], [])
        # At once, for whoever still has the URL; the bytes follow.
        for url in (*sent["imageUrls"], *sent["pdfUrls"], image["thumbnailUrl"]):
            assert (await shelf.get(url))[0].status == 404
        assert (await his.do("message:send", command))["message"]["id"] == sent["id"]
    assert await shelf.sweep() == 2
    assert await shelf.counts() == NOTHING


async def test_a_caption_is_taken_away(shelf: FileService) -> None:
    client, trainer, conversation = await shelf.people.pair()
    image = await shelf.uploaded(client, samples.image())
    async with device(shelf.running.url, client) as his, device(shelf.running.url, trainer) as hers:
        command = attached(conversation, "a", imageUrls=[image["id"]]) | {"text": "My knee"}
        sent = (await his.do("message:send", command))["message"]
        edited = (await his.do("message:edit", {"messageId": sent["id"], "text": ""}))["message"]
        assert (edited["text"], len(edited["imageUrls"])) == (None, 1)
        assert edited["editedAt"] is not None
        (told,) = await hers.receive("message:updated")
        assert (told["change"], told["message"]["text"]) == ("edit", None)
        (listed,) = (await hers.do("message:list", {"conversationId": conversation}))["messages"]
        assert (listed["text"], len(listed["imageUrls"])) == (None, 1)
        # Nothing more to take away, and words can come back.
        assert (await his.do("message:edit", {"messageId": sent["id"], "text": ""}))["message"]["text"] is None
        again = await his.do("message:edit", {"messageId": sent["id"], "text": "His knee"})
        assert again["message"]["text"] == "His knee"
        for caller, code in ((hers, "forbidden"), (his, "validation_failed")):
            bare = (await his.do("message:send", attached(conversation, f"b{code}") | {"text": "words"}))["message"]
            with pytest.raises(Refused) as refused:
                await caller.do("message:edit", {"messageId": bare["id"], "text": ""})
            assert refused.value.code == code
        await his.do("message:delete", {"messageId": sent["id"]})
    assert await shelf.sweep() == 1


@pytest.mark.parametrize("nothing", ["", " \n", "\u200b", "\u2800\ufe0f"])
async def test_a_caption_that_shows_nothing_is_none(shelf: FileService, nothing: str) -> None:
    client, _, conversation = await shelf.people.pair()
    image = await shelf.uploaded(client, samples.image())
    async with device(shelf.running.url, client) as his:
        command = attached(conversation, "a", imageUrls=[image["id"]]) | {"text": nothing}
        sent = (await his.do("message:send", command))["message"]
        assert sent["text"] is None
        assert (await his.do("message:send", command))["message"]["id"] == sent["id"]
        await his.do("message:edit", {"messageId": sent["id"], "text": "My knee"})
        edited = await his.do("message:edit", {"messageId": sent["id"], "text": nothing})
        assert edited["message"]["text"] is None


async def test_only_one_s_own_of_the_right_kind(shelf: FileService) -> None:
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
    assert await shelf.sweep(days=2) == 2
    assert await shelf.counts() == NOTHING


async def test_unused_uploads_go_after_a_day(shelf: FileService) -> None:
    client = await shelf.people.make()
    await shelf.uploaded(client, samples.mp4())
    assert await shelf.sweep(hours=23) == 0
    assert await shelf.sweep(hours=25) == 1
    assert await shelf.counts() == NOTHING


async def test_what_was_refused_can_be_sent_again(shelf: FileService) -> None:
    client, _, conversation = await shelf.people.pair()
    image = await shelf.uploaded(client, samples.image())
    async with device(shelf.running.url, client) as his:
        with pytest.raises(Refused):
            await his.do("message:send", attached(conversation, "m", imageUrls=[image["id"], "0" * 24]))
        assert await shelf.sweep(hours=3) == 0
        await his.do("message:send", attached(conversation, "m", imageUrls=[image["id"]]))


async def test_a_file_stays_as_long_as_one_message_has_it(shelf: FileService) -> None:
    client, _, conversation = await shelf.people.pair()
    image = await shelf.uploaded(client, samples.image())
    async with device(shelf.running.url, client) as his:
        first, second = [
            (await his.do("message:send", attached(conversation, key, imageUrls=[image["id"]])))["message"]
            for key in ("a", "b")
        ]
        await his.do("message:delete", {"messageId": first["id"]})
        assert await shelf.sweep(days=2) == 0
        assert (await shelf.get(second["imageUrls"][0]))[0].status == 200
        await his.do("message:delete", {"messageId": second["id"]})
    assert await shelf.sweep() == 1


async def claimed(shelf: FileService, owner: Person, file_id: str) -> None:
    """As by a node that died before it wrote the message."""
    now = whole_milliseconds(utc_now())
    use = FileUse(kind="message", id="6" * 24, conversation_id="7" * 24, at=now)
    assert await shelf.running.node.store.files.claim(file_id, owner.id, "image", use, now)


async def test_a_use_whose_message_was_never_written_ends(shelf: FileService) -> None:
    client = await shelf.people.make()
    image = await shelf.uploaded(client, samples.image())
    await claimed(shelf, client, image["id"])
    # For an hour it may still be written, however often one looks.
    assert await shelf.sweep(minutes=50) == 0
    await shelf.running.node.database.collection("files").update_many({}, {"$set": {"checkAt": utc_now()}})
    assert await shelf.sweep(minutes=50) == 0
    (found,) = await shelf.running.node.database.collection("files").find({"uses.0": {"$exists": True}}).to_list(None)
    assert str(found["_id"]) == image["id"]
    # After that it is an upload that nobody uses, and is kept as long as those.
    assert await shelf.sweep(hours=2) == 0
    assert await shelf.running.node.database.collection("files").count_documents({"uses.0": {"$exists": True}}) == 0
    assert await shelf.sweep(hours=25) == 1


async def test_a_claim_and_a_sweep_at_once(shelf: FileService) -> None:
    """Either the file is used and stays, or it goes and was not used: any number of times, on two nodes."""
    client = await shelf.people.make()
    now = whole_milliseconds(utc_now())
    for _ in range(10):
        pdf = await shelf.uploaded(client, samples.PDF)
        use = FileUse(kind="profile", id="6" * 24)
        used, *gone = await asyncio.gather(
            shelf.running.node.store.files.claim(pdf["id"], client.id, "pdf", use, now),
            shelf.sweep(hours=25),
            shelf.sweep(hours=25),
        )
        assert used is (sum(gone) == 0)
        assert (await shelf.get(pdf["url"]))[0].status == (200 if used else 404)


async def test_who_is_erased_takes_the_files_along(shelf: FileService) -> None:
    client, trainer, conversation = await shelf.people.pair()
    image, unused = await shelf.uploaded(client, samples.image()), await shelf.uploaded(client, samples.PDF)
    async with device(shelf.running.url, client) as his:
        await his.do("message:send", attached(conversation, "a", imageUrls=[image["id"]]))
    store = shelf.running.node.store
    user = await store.users.by_id(client.id)
    assert user is not None
    assert await store.erasures.erase(user, whole_milliseconds(utc_now())) is not None
    for url in (image["url"], image["thumbnailUrl"], unused["url"]):
        assert (await shelf.get(url))[0].status == 404
        assert (await shelf.get(url.partition("?")[0], trainer))[0].status == 404
    await shelf.sweep()
    assert await shelf.counts() == NOTHING
