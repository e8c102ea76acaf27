"""Files as objects, wherever there were bare URLs; and our own URLs where a file's id is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.files import samples
from tests.files.service import FileService
from tests.harness.devices import Refused, device
from tests.harness.people import Person

Data = dict[str, Any]


def without_urls(file: Data) -> Data:
    """Signatures are of their hour."""
    return {name: value.partition("?")[0] if name.endswith(("url", "Url")) else value for name, value in file.items()}


def same(found: Data, uploaded: Data, field: str) -> bool:
    return without_urls(found) == without_urls({**uploaded, "field": field})


async def call(shelf: FileService, who: Person | None, method: str, path: str, body: Any = None) -> tuple[int, Data]:
    headers = {"Authorization": f"Bearer {who.token}"} if who else {}
    async with shelf.http.request(method, f"{shelf.running.url}/v1{path}", json=body, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_an_upload_says_its_name(shelf: FileService) -> None:
    client = await shelf.people.make()
    image = await shelf.uploaded(client, samples.image(), "Knee.JPG")
    assert image["name"] == "Knee.JPG"
    assert {"id", "url", "thumbnailUrl", "contentType", "size", "width", "height"} < image.keys()
    assert (await shelf.uploaded(client, samples.PDF, "plan"))["name"] == "plan.pdf"


async def test_attachments_are_objects_wherever_a_message_is(shelf: FileService) -> None:
    client, trainer, here = await shelf.people.pair()
    image = await shelf.uploaded(client, samples.image(), "knee.jpg")
    pdf = await shelf.uploaded(client, samples.PDF, "plan.pdf")
    async with device(shelf.running.url, client) as his, device(shelf.running.url, trainer) as hers:
        said = {"conversationId": here, "clientMessageId": "a", "imageUrls": [image["id"]], "pdfUrls": [pdf["id"]]}

        def check(message: Data) -> None:
            first, second = message["attachments"]
            assert same(first, image, "imageUrls")
            assert same(second, pdf, "pdfUrls")
            assert ([first["url"]], [second["url"]]) == (message["imageUrls"], message["pdfUrls"])

        sent = (await his.do("message:send", said))["message"]
        check(sent)
        check((await hers.receive("message:new"))[0]["message"])
        check((await his.do("message:send", said))["message"])
        about = {"messageId": sent["id"]}
        check((await hers.do("message:react", {**about, "emoji": "👍"}))["message"])
        check((await his.receive("message:updated"))[0]["message"])
        check((await his.do("message:edit", {**about, "text": "look"}))["message"])
        check((await hers.do("message:get", about))["message"])
        check((await hers.do("message:list", {"conversationId": here}))["messages"][0])
        check((await hers.do("message:search", {"query": "look"}))["items"][0])
        check((await hers.do("conversation:list"))["items"][0]["lastMessage"])
        for cursors in ({}, {here: 0}, {here: 99}):
            (synced,) = (await hers.do("sync", {"cursors": cursors}))["conversations"]
            check(synced["entries"][0]["message"])
        deleted = (await his.do("message:delete", about))["message"]
        assert deleted["attachments"] == []
        assert (await his.send(here, "b"))["attachments"] == []


async def test_profiles_and_cards_have_their_pictures(shelf: FileService) -> None:
    trainer = await shelf.people.make("trainer")
    face, studio = [await shelf.uploaded(trainer, samples.image(), name) for name in ("face.jpg", "studio.jpg")]
    body = {"profile_image": face["id"], "service_images": [studio["id"]]}
    status, own = await call(shelf, trainer, "PATCH", "/me/profile", body)
    assert status == 200
    for profile in (own, (await call(shelf, None, "GET", f"/trainers/{own['id']}"))[1]):
        first, second = profile["files"]
        assert same(first, face, "profile_image")
        assert same(second, studio, "service_images")
    _, found = await call(shelf, None, "GET", "/trainers?limit=100")
    (card,) = [item for item in found["items"] if item["id"] == own["id"]]
    (picture,) = card["files"]
    assert same(picture, face, "profile_image")
    assert (await shelf.get(picture["thumbnailUrl"]))[0].status == 200
    client = await shelf.people.make()
    assert (await call(shelf, client, "GET", "/me/profile"))[1]["files"] == []


async def test_our_own_urls_are_taken_where_an_id_is(shelf: FileService) -> None:
    client, _, here = await shelf.people.pair()
    trainer = await shelf.people.make("trainer")
    one, two = [await shelf.uploaded(trainer, samples.image()) for _ in range(2)]
    pdf = await shelf.uploaded(trainer, samples.PDF)
    body = {"profile_image": one["url"], "service_images": [f"https://api.example.com{one['url']}", two["id"]]}
    status, own = await call(shelf, trainer, "PATCH", "/me/profile", body)
    assert (status, [file["id"] for file in own["files"]]) == (200, [one["id"], one["id"], two["id"]])
    # As an app does that sends back what it was answered.
    kept = {"service_images": own["service_images"][::-1]}
    status, own = await call(shelf, trainer, "PATCH", "/me/profile", kept)
    assert (status, [file["id"] for file in own["files"]]) == (200, [one["id"], two["id"], one["id"]])
    certificate = {"certificateName": "Yoga", "certificateDocument": pdf["url"]}
    status, made = await call(shelf, trainer, "POST", "/me/certificates", certificate)
    assert (status, made["certificateDocument"].partition("?")[0]) == (201, f"/v1/files/{pdf['id']}")
    image = await shelf.uploaded(client, samples.image())
    async with device(shelf.running.url, client) as his:
        said = {"conversationId": here, "clientMessageId": "a", "imageUrls": [image["url"]]}
        sent = (await his.do("message:send", said))["message"]
        assert [file["id"] for file in sent["attachments"]] == [image["id"]]
        # It is the same message, however its file is named.
        again = (await his.do("message:send", {**said, "imageUrls": [image["id"]]}))["message"]
        assert again["id"] == sent["id"]


@pytest.mark.parametrize(
    "url",
    [
        "/v1/files/x", "/v1/files/", "https://evil.example/", "/v1/files/{id}/../x", "javascript:/v1/files/{id}",
        "/v1/files/{id} ", "/v2/files/{id}", "//evil/v1/files/{id}", "/v1/files/{id}?" + "x" * 2000, "{id}0",
        "https://evil.example/x/v1/files/{id}",
    ],
)  # fmt: skip
async def test_what_is_no_url_of_ours(shelf: FileService, url: str) -> None:
    client, _, here = await shelf.people.pair()
    image = await shelf.uploaded(client, samples.image())
    bad = url.replace("{id}", image["id"])
    status, answer = await call(shelf, client, "PATCH", "/me/profile", {"profile_image": bad})
    assert (status, answer["errors"][0]["field"]) == (422, "profile_image")
    async with device(shelf.running.url, client) as his:
        with pytest.raises(Refused) as refused:
            await his.do("message:send", {"conversationId": here, "clientMessageId": "a", "imageUrls": [bad]})
    assert refused.value.code == "validation_failed"


async def test_another_s_url_is_not_taken(shelf: FileService) -> None:
    client, trainer, here = await shelf.people.pair()
    image = await shelf.uploaded(trainer, samples.image())
    status, answer = await call(shelf, client, "PATCH", "/me/profile", {"profile_image": image["url"]})
    assert (status, answer["errors"][0]["field"]) == (422, "profile_image")
    async with device(shelf.running.url, client) as his:
        with pytest.raises(Refused):
            await his.do("message:send", {"conversationId": here, "clientMessageId": "a", "imageUrls": [image["url"]]})
