"""Keys, channels and scripts of presence in Redis.

What one script touches shares a hash tag, and so a slot of a cluster; the sets of who may be registered share that of
the leases (``server/cluster/lease.py``).
"""

from __future__ import annotations

from domain.presence import NO_CHOICE, Choice, Status
from server.cluster.scripts import Script, ScriptCall


def held_by(incarnation: str) -> str:
    """The set of users whom an incarnation may have registered."""
    return f"{{presence}}:at:{incarnation}"


def user(user_id: str) -> str:
    """The hash of a user's incarnations and newest choice; also the channel on which its changes are published."""
    return f"{{presence:{user_id}}}"


def is_users(channel: str) -> bool:
    return channel.startswith("{presence:")


# One user, one incarnation. A write under a lease that ran out is refused, however long it was on its way, so that
# nobody is registered behind the back of those who take over. Versions start from the time: they go on rising
# when Redis has forgotten them. What a user chose for all devices holds over every incarnation's row, the newest
# choice over the others: a node that has yet to receive it shows nobody who hides.
CHANGE = Script("""
local key, incarnation, status, deadline = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local dropped, left_at, channel, publish = ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
local choice, hides = tonumber(ARGV[8]), ARGV[9]
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
local chosen = choice > tonumber(state.choice or 0)
if chosen then
  state.choice, state.hides = choice, hides
  redis.call('HSET', key, 'choice', ARGV[8], 'hides', hides)
end

local public, holders = 'offline', {}
for field, value in pairs(state) do
  if string.sub(field, 1, 2) == 'n:' then
    holders[#holders + 1] = string.sub(field, 3)
    if value == 'online' or (value == 'away' and public == 'offline') then public = value end
  end
end
table.sort(holders)
if state.hides == '1' then public = 'offline' end
if public ~= (state.s or 'offline') then changed = true end
local version, seen = tonumber(state.v or 0), tonumber(state.seen or 0)
if changed then version = math.max(version + 1, micros) end
if public == 'offline' and (state.s or 'offline') ~= 'offline' then
  seen = math.max(seen, left_at > 0 and math.min(left_at, now) or now)
end
local message = string.format('%.0f %s %.0f %s', version, public, seen, table.concat(holders, ','))
if changed then
  redis.call('HSET', key, 'v', string.format('%.0f', version), 's', public, 'seen', string.format('%.0f', seen))
  redis.call(publish, channel, message)
end
if changed or chosen then
  if #holders == 0 then redis.call('EXPIRE', key, 604800) else redis.call('PERSIST', key) end
end
return message
""")


def change(
    user_id: str,
    incarnation: str,
    status: Status | None,
    publish_command: str,
    *,
    left_at: int,
    deadline: int = 0,
    dropped: str = "",
    choice: Choice = NO_CHOICE,
) -> ScriptCall:
    """A call of ``CHANGE``: the incarnation's row becomes ``status``, or goes.

    ``left_at``, ``deadline``: in milliseconds, of the departure and of the lease; ``dropped``: an earlier name of the
    same node.
    """
    key, hides = user(user_id), int(choice.hides)
    arguments = (incarnation, status or "", deadline, dropped, left_at, key, publish_command, choice.version, hides)
    return ScriptCall((key,), arguments)


# Before a user is registered it is noted who is about to, so that a crash in between leaves a trace;
# refused to an incarnation that nobody would take users off for.
ENTER = Script("""
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
for i = 2, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
return 1
""")
