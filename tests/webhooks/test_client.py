"""Our client against receivers on loopback: what it takes for an answer, and where it does not go."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rrset
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from domain.webhooks import Failure
from server.webhooks.client import WebhookClient
from server.webhooks.names import Names
from tests.webhooks.receiver import Receiver, receiving

ROOT = Path(__file__).resolve().parents[2]
HEADERS = {"webhook-id": "evt_1"}


class NameServer(asyncio.DatagramProtocol):
    """Answers every question with the address that it has now, and counts them; nothing while it has none."""

    def __init__(self, address: str | None) -> None:
        self.address, self.asked = address, 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked += 1
        if self.address is None:
            return
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if question.question[0].rdtype == 1:
            answer.answer.append(dns.rrset.from_text(question.question[0].name, 60, "IN", "A", self.address))
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def named(address: str | None) -> AsyncIterator[tuple[NameServer, Names]]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        partial(NameServer, address), local_addr=("127.0.0.1", 0)
    )

    def resolver() -> dns.asyncresolver.Resolver:
        found = dns.asyncresolver.Resolver(configure=False)
        found.nameservers, found.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
        return found

    try:
        yield server, Names(resolver)
    finally:
        transport.close()


@asynccontextmanager
async def client_of(**options: Any) -> AsyncIterator[WebhookClient]:
    client = WebhookClient(**options)
    try:
        yield client
    finally:
        await client.stop()


async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(receiver: Receiver) -> None:
    url = receiver.url.replace("127.0.0.1", "hooks.example.test")
    async with (
        named("127.0.0.1") as (server, names),
        client_of(allows_private=False, names=names) as wary,
        client_of(allows_private=True, names=names) as open_to_all,
    ):
        assert await open_to_all.post(url, b"{}", HEADERS) is None
        # It was all right a moment ago: each time it is looked up and looked at anew.
        asked = server.asked
        assert await wary.post(url, b"{}", HEADERS) == Failure("private_address")
        assert server.asked > asked
        for address in ("10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"):
            server.address = address
            assert await wary.post(url, b"{}", HEADERS) == Failure("private_address")
        assert await wary.post(receiver.url, b"{}", HEADERS) == Failure("private_address")
        assert await wary.post(receiver.url.replace("127.0.0.1", "localhost"), b"{}", HEADERS) == (
            Failure("private_address")
        )
    assert receiver.tries == 1


async def test_a_name_server_that_hangs_ends_with_the_attempt() -> None:
    async with named(None) as (server, names), client_of(
        allows_private=True, names=names, timeout_seconds=0.3
    ) as client:  # fmt: skip
        assert await client.post("http://hooks.example.test/", b"{}", HEADERS) == Failure("timeout")
        assert server.asked


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (200, None),
        (204, None),
        (299, None),
        (301, Failure("redirect", 301)),
        (308, Failure("redirect", 308)),
        (304, Failure("redirect", 304)),
        (400, Failure("status", 400)),
        (410, Failure("status", 410)),
        (500, Failure("status", 500)),
    ],
)
async def test_what_is_answered(receiver: Receiver, status: int, failure: Failure | None) -> None:
    receiver.replies = [(status, {"Location": receiver.url, "Set-Cookie": "a=b"})]
    async with client_of(allows_private=True) as client:
        assert await client.post(receiver.url, b'{"a":1}', HEADERS) == failure
        assert receiver.tries == 1
        assert await client.post(receiver.url, b'{"a":2}', HEADERS) is None
    queue = receiver.taken if failure is None else receiver.refused
    got = await queue.get()
    assert (got.id, got.body, got.headers["user-agent"]) == ("evt_1", b'{"a":1}', "Spotter-Webhooks")
    assert "cookie" not in (await receiver.next()).headers


async def test_an_answer_without_an_end_is_not_read(receiver: Receiver) -> None:
    receiver.endless = True
    async with client_of(allows_private=True) as client:
        assert await client.post(receiver.url, b"{}", HEADERS) is None


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nX: ", b"nonsense\r\n\r\n", b"endless"])
async def test_what_is_no_answer(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(said)
        while said == b"endless" and not writer.is_closing():
            writer.write(b"X-Header: 1\r\n" * 1000)
            await asyncio.sleep(0)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, client_of(allows_private=True, timeout_seconds=0.3) as client:
        failure = await client.post(url, b"{}", HEADERS)
        assert failure is not None and failure.reason in ("timeout", "unreachable")
    async with client_of(allows_private=True) as client:
        assert await client.post(url, b"{}", HEADERS) == Failure("unreachable")


# Told where to post; prints what came of it.
_PROGRAM = """
import asyncio, sys
from server.webhooks.client import WebhookClient

async def main():
    client = WebhookClient(allows_private=True)
    print(await client.post(sys.argv[1], b"{}", {"webhook-id": "evt_1"}))
    await client.stop()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("name", "vouched", "expected"),
    [("localhost", True, "None"), ("localhost", False, "reason='tls'"), ("hooks.example", True, "reason='tls'")],
)
async def test_only_a_certificate_of_that_host_that_the_system_vouches_for_is_taken(
    tmp_path: Path, name: str, vouched: bool, expected: str
) -> None:
    """In a process of its own: what the system vouches for is read at its start."""
    certificate = self_signed(tmp_path, name)
    vouching = certificate if vouched else self_signed(tmp_path, "other.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with receiving(Receiver(), ssl_context=context) as receiver:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _PROGRAM,
            receiver.url.replace("127.0.0.1", "localhost"),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SSL_CERT_FILE": str(vouching)},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert expected in out.decode(), out
        assert receiver.tries == (expected == "None")


def self_signed(folder: Path, name: str) -> Path:
    key, issuer = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return path
