"""Uploading and fetching, and what the database holds of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp

from handlers.files.uses import file_sweeps_job
from server.app import utc_now
from tests.harness.nodes import RunningNode
from tests.harness.people import People, Person
from tests.harness.work import work_off

Data = dict[str, Any]
NOTHING = {"files": 0, "fs.files": 0, "fs.chunks": 0}


@dataclass
class FileService:
    running: RunningNode
    people: People
    http: aiohttp.ClientSession

    async def put(
        self, person: Person, content: bytes, name: str = "file", content_type: str = "image/jpeg", field: str = "file"
    ) -> tuple[int, Data]:
        form = aiohttp.FormData()
        form.add_field(field, content, filename=name, content_type=content_type)
        return await self.post(person, form)

    async def post(self, person: Person, body: Any, **headers: str) -> tuple[int, Data]:
        headers["Authorization"] = f"Bearer {person.token}"
        async with self.http.post(f"{self.running.url}/v1/files", data=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def uploaded(self, person: Person, content: bytes, name: str = "file") -> Data:
        status, answer = await self.put(person, content, name)
        assert status == 201, answer
        return answer

    async def get(
        self,
        path: str,
        person: Person | None = None,
        method: str = "GET",
        headers: dict[str, str] | None = None,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        headers = dict(headers or {})
        if person is not None:
            headers["Authorization"] = f"Bearer {person.token}"
        async with self.http.request(method, self.running.url + path, headers=headers) as response:
            return response, await response.read()

    async def counts(self) -> dict[str, int]:
        """Documents of each collection that holds something of files."""
        database = self.running.node.database.db
        return {name: await database[name].count_documents({}) for name in NOTHING}

    async def sweep(self, **later: float) -> int:
        """That of a node whose clock is ahead."""
        context = dataclasses.replace(self.running.node.context, clock=lambda: utc_now() + timedelta(**later))
        return await work_off(file_sweeps_job(context), context.clock)
