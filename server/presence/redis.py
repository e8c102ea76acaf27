"""The keys and channels of presence. What one script touches shares a hash tag, and so a slot of a cluster.

Running scripts in Redis, one or many at once.

What has to happen in Redis at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError, RedisError

LEASES = "{presence}:leases"
DEAD = "{presence}:dead"
QUIET = "{presence}:quiet"


def held_by(incarnation: str) -> str:
    """The set of users whom an incarnation may have registered."""
    return f"{{presence}}:at:{incarnation}"


def user(user_id: str) -> str:
    """The hash of a user's incarnations; also the channel on which its changes are told."""
    return f"{{presence:{user_id}}}"


def is_users(channel: str) -> bool:
    return channel.startswith("{presence:")


# What Redis does while it is away.
UNREACHED = (RedisError, OSError, TimeoutError)


class Script:
    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """The keys and arguments of one run of a script."""

    keys: tuple[str, ...]
    arguments: tuple[str | int, ...]


class Scripts:
    """All methods raise one of ``UNREACHED`` when Redis does not answer."""

    def __init__(self, redis: Redis | RedisCluster) -> None:
        self._redis: Any = redis
        self.publish_command = "SPUBLISH" if isinstance(redis, RedisCluster) else "PUBLISH"

    async def run(self, script: Script, call: Call) -> Any:
        rest = (len(call.keys), *call.keys, *call.arguments)
        try:
            return await self._redis.execute_command("EVALSHA", script.sha, *rest)
        except NoScriptError:
            return await self._redis.execute_command("EVAL", script.source, *rest)

    async def run_each(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        """The answers, in order; what failed is answered by its exception."""
        commands = [("EVALSHA", script.sha, len(c.keys), *c.keys, *c.arguments) for c in calls]
        answers = await self.pipeline(commands)
        for index, answer in enumerate(answers):
            if isinstance(answer, NoScriptError):
                answers[index] = await self.run(script, calls[index])
        return answers

    async def pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers, in order; what failed is answered by its exception."""
        if not commands:
            return []
        pipeline = (
            self._redis.pipeline() if isinstance(self._redis, RedisCluster) else self._redis.pipeline(transaction=False)
        )
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = list(await pipeline.execute(raise_on_error=False))
        return answers


# One user, one incarnation. A write under a lease that ran out is refused, however long it was on its way, so that
# nobody is registered behind the back of those who take over. Versions start from the time: they go on rising
# when Redis has forgotten them.
CHANGE = Script("""
local key, incarnation, status, deadline = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local dropped, left_at, channel, publish = ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)
if status ~= '' and now > deadline then return false end

local state, fields = {}, redis.call('HGETALL', key)
for i = 1, #fields, 2 do state[fields[i]] = fields[i + 1] end
local changed = false
local function put(name, value)
  if name == '' or state['n:' .. name] == value then return end
  state['n:' .. name], changed = value, true
  if value then redis.call('HSET', key, 'n:' .. name, value) else redis.call('HDEL', key, 'n:' .. name) end
end
put(dropped, nil)
if status == '' then put(incarnation, nil) else put(incarnation, status) end

local public, holders = 'offline', {}
for field, value in pairs(state) do
  if string.sub(field, 1, 2) == 'n:' then
    holders[#holders + 1] = string.sub(field, 3)
    if value == 'online' or (value == 'away' and public == 'offline') then public = value end
  end
end
table.sort(holders)
local version, seen = tonumber(state.v or 0), tonumber(state.seen or 0)
if changed then version = math.max(version + 1, micros) end
if public == 'offline' and (state.s or 'offline') ~= 'offline' then
  seen = math.max(seen, left_at > 0 and math.min(left_at, now) or now)
end
local told = string.format('%.0f %s %.0f %s', version, public, seen, table.concat(holders, ','))
if changed then
  redis.call('HSET', key, 'v', string.format('%.0f', version), 's', public, 'seen', string.format('%.0f', seen))
  if #holders == 0 then redis.call('EXPIRE', key, 604800) else redis.call('PERSIST', key) end
  redis.call(publish, channel, told)
end
return told
""")

# Keep the lease, if nobody has declared it dead; declare dead whose lease ran out. That is final: whoever
# finds itself dead takes a new name. A lease that ran out unnoticed is simply renewed. One that is shorter than what
# we were told comes from an older state of Redis (a snapshot, a replica that lagged behind), in which people stand who
# have left since: we take a new name as well, and the old one is left to run out, with those who are not here.
RENEW = Script("""
local leases, dead, quiet, incarnation = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local create, lease, margin, gap = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local told = tonumber(ARGV[6])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local last = tonumber(redis.call('HGET', quiet, 'last') or 0)
if now - last > gap then redis.call('HSET', quiet, 'until', string.format('%.0f', now + lease + margin)) end
redis.call('HSET', quiet, 'last', string.format('%.0f', now))

local held = create == '1' or tonumber(redis.call('ZSCORE', leases, incarnation) or -1) >= told
local deadline = string.format('%.0f', now + lease)
if held then redis.call('ZADD', leases, deadline, incarnation) end
if now >= tonumber(redis.call('HGET', quiet, 'until') or 0) then
  local before = string.format('(%.0f', now - margin)
  local lapsed = redis.call('ZRANGEBYSCORE', leases, '-inf', before, 'WITHSCORES', 'LIMIT', 0, 1000)
  for i = 1, #lapsed, 2 do
    redis.call('ZREM', leases, lapsed[i])
    redis.call('ZADD', dead, lapsed[i + 1], lapsed[i])
  end
end
return {held and 1 or 0, deadline, redis.call('ZRANGE', dead, 0, -1, 'WITHSCORES')}
""")

# A node that leaves in an orderly way is taken over after the grace, in which its people reach another.
RESIGN = Script("""
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return redis.call('ZADD', KEYS[1], 'XX', string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
""")

# Before a user is registered it is noted who is about to, so that a crash in between leaves a trace;
# refused to an incarnation that nobody would look after.
ENTER = Script("""
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
for i = 2, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
return 1
""")
