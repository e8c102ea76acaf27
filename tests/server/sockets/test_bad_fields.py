"""Whatever a field holds that it should not: refused by name, nothing done, and the socket works on."""

from __future__ import annotations

import json

from domain.wire.base import Command
from tests.server.sockets.invalid_values import as_object, fields_of, fitting, spoilt
from tests.server.sockets.raw_conversation import RawConversation
from tests.server.sockets.refusals import assert_refused
from tests.server.sockets.rows import every_command

UNKNOWN = ("$where", "__proto__", "conversationid", "", "a.b", "é\\u0000")


@every_command
async def test_a_value_that_does_not_fit(
    unchanged: RawConversation, namespace: str, event: str, command: type[Command]
) -> None:
    good, before = fitting(command, unchanged.known), await unchanged.contents()
    for field in fields_of(command):
        name = field.encode_name
        for bad in spoilt(field):
            answer = await unchanged.sender.ask(event, as_object({**good, name: bad.value}), namespace)
            assert_refused(answer, bad.codes, name)
    assert await unchanged.contents() == before
    assert unchanged.sender.received == []
    await unchanged.assert_nothing_sent()


@every_command
async def test_a_field_missing_or_unknown(
    unchanged: RawConversation, namespace: str, event: str, command: type[Command]
) -> None:
    good, before = fitting(command, unchanged.known), await unchanged.contents()
    for field in fields_of(command):
        if field.required:
            rest = {name: value for name, value in good.items() if name != field.encode_name}
            answer = await unchanged.sender.ask(event, as_object(rest), namespace)
            assert_refused(answer, {"validation_failed"}, field.encode_name)
            # Another one given twice does not make up for it.
            for other, value in rest.items():
                text = as_object(rest)[:-1] + f",{json.dumps(other)}:{value}}}"
                answer = await unchanged.sender.ask(event, text, namespace)
                assert_refused(answer, {"validation_failed"}, field.encode_name)
    for unknown in UNKNOWN:
        text = as_object(good)[:-1] + f',"{unknown}":{{"$ne":null}}}}'
        answer = await unchanged.sender.ask(event, text, namespace)
        assert_refused(answer, {"validation_failed"})
    assert await unchanged.contents() == before
    await unchanged.assert_nothing_sent()


@every_command
async def test_a_field_given_twice_is_refused_if_either_is_wrong(
    unchanged: RawConversation, namespace: str, event: str, command: type[Command]
) -> None:
    good, before = fitting(command, unchanged.known), await unchanged.contents()
    for field in fields_of(command):
        name = field.encode_name
        bad = next(spoilt(field))
        rest = as_object({key: value for key, value in good.items() if key != name})[1:-1]
        for first, second in ((good[name], bad.value), (bad.value, good[name])):
            text = "{" + ",".join(filter(None, [f'"{name}":{first}', rest, f'"{name}":{second}'])) + "}"
            assert_refused(await unchanged.sender.ask(event, text, namespace), bad.codes, name)
    assert await unchanged.contents() == before
    await unchanged.assert_nothing_sent()
