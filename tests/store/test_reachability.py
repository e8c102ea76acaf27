"""A URL that names MongoDB by DNS (``mongodb+srv``): what of name servers is waited out, and what is final."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from domain.errors import Code, DomainError
from store.database import Database
from store.reachability import Misconfigured, require

# What a record names has to be of the domain that was asked for, and 127.0.0.1 is of this one.
HOST = "cluster.0.0.1"
URL = f"mongodb+srv://user:hidden-word@{HOST}/spotter?replicaSet=spotter&tls=false"


class NameServer(asyncio.DatagramProtocol):
    """Answers with a record of the port that it has, if it has one, and with ``rcode``; nothing while that is none."""

    def __init__(self) -> None:
        self.rcode: dns.rcode.Rcode | None = dns.rcode.NOERROR
        self.port: int | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.rcode is None:
            return
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        answer.set_rcode(self.rcode)
        (asked,) = question.question
        if self.port is not None and asked.rdtype == dns.rdatatype.SRV:
            answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "SRV", f"0 0 {self.port} 127.0.0.1."))
        self._transport.sendto(answer.to_wire(), addr)


@pytest.fixture
async def name_server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    """The only one of this machine."""
    server = NameServer()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, ("127.0.0.1", 0))
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
    monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
    yield server
    transport.close()


@pytest.mark.parametrize("rcode", [dns.rcode.NXDOMAIN, dns.rcode.NOERROR])
async def test_a_name_without_a_record_is_a_wrong_setting(name_server: NameServer, rcode: dns.rcode.Rcode) -> None:
    name_server.rcode = rcode
    database = Database(URL)
    with pytest.raises(Misconfigured) as told:
        await require(database.db)
    assert str(told.value) == "MongoDB's name has no SRV record. Look at MONGO_URL: it takes a replica set."
    database.close()


async def test_a_name_that_cannot_be_is_a_wrong_setting(name_server: NameServer) -> None:
    database = Database(URL.replace(HOST, f"{'x' * 64}.{HOST}"))
    with pytest.raises(Misconfigured, match="MONGO_URL"):
        await require(database.db)
    database.close()


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, None])
async def test_name_servers_that_fail_are_waited_for(
    mongo_url: str, name_server: NameServer, rcode: dns.rcode.Rcode | None
) -> None:
    """By the same client: once they answer, it finds MongoDB."""
    name_server.rcode = rcode
    database = Database(URL.replace("user:hidden-word@", ""))
    for _ in range(2):
        with pytest.raises(DomainError) as refused:
            await require(database.db)
        assert refused.value.code is Code.UNAVAILABLE
    name_server.rcode, name_server.port = dns.rcode.NOERROR, urlsplit(mongo_url).port
    await require(database.db)
    database.close()
