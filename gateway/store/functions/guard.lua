-- The guard: what every call in a user's slot must pass, in the same step as its work, so that nothing slips between.
-- A call carries the kind and limit of its rate ("" for none), and the id and issue time of its token ("" for none).

local GUARD_ARGUMENTS = 4
local RATE_WINDOW_SECONDS = 60

-- ->  how often this kind was used in the window, and the seconds until it ends
local function count_use(user, kind)
  local key = user .. RATE .. kind
  local used, seconds = call('INCR', key), call('TTL', key)
  -- Also one that never ends, and one that a clock gone back made longer.
  if seconds < 0 or seconds > RATE_WINDOW_SECONDS then
    call('EXPIRE', key, RATE_WINDOW_SECONDS)
    seconds = RATE_WINDOW_SECONDS
  end
  return used, seconds
end

-- Before which second a user's tokens do not count, if that is in the past. A moment to come was said by a clock that
-- was ahead: then it is this one, once somebody may write it.
local function revoked_before_now(user, revoked_before, may_write)
  local now = tonumber(call('TIME')[1])
  if revoked_before <= now + CLOCK_SECONDS then return revoked_before end
  if may_write then call('HSET', user, 'revoked_before', integer(now)) end
  return now
end

-- revoked_before: as the user's record has it; issued_at: nil without a token
local function is_revoked(user, revoked_before, token_id, issued_at, may_write)
  if issued_at and revoked_before and issued_at < tonumber(revoked_before)
    and issued_at < revoked_before_now(user, tonumber(revoked_before), may_write) then
    return true
  end
  return token_id ~= '' and call('ZSCORE', user .. REVOKED, token_id) and true or false
end

local RECORD = {
  'format', 'deleted', 'revoked_before', 'epoch', 'offset', 'life', 'sent_at', 'log_until', 'settled_until', 'counts',
  'oldest', 'email', 'external_id', 'first_name', 'last_name', 'custom_attributes',
}

local function fail_by_format(what, format)
  error({ err = 'FORMAT ' .. what .. ' is of format ' .. tostring(format or 'unknown') })
end

-- A record of no format is one that nobody has written yet; then nothing else is there either. Or it says just that the
-- user is deleted.
local function check_user_format(user, value)
  if value[2] then return end
  if value[1] then fail_by_format('a user', value[1]) end
  for i = 2, #RECORD do
    if value[i] then fail_by_format('a user') end
  end
  local left = call('EXISTS', user .. STATES, user .. LOG, user .. SUBSCRIPTIONS, user .. PREFERENCES, user .. DEVICES,
    user .. TOKENS)
  if left > 0 then fail_by_format('a user') end
end

-- ->  the user's record, in RECORD's order, read once for the guard, the log and the recipient; false is not there. And
--     whether the user is deleted. (A table of more than 16 fields takes twice the room.)
local function read_record(user)
  local value = call('HMGET', user, unpack(RECORD))
  if value[1] ~= FORMAT then check_user_format(user, value) end
  local offset = value[5] and tonumber(value[5]:match('^%d+$'))
  if value[4] and not (offset and value[4]:match('^%w+$')) then fail_by_data('the position of a user') end
  return {
    stored = value, format = value[1], revoked_before = value[3],
    epoch = value[4], offset = offset, life = value[6],
    sent_at = value[7], log_until = value[8], settled_until = value[9], counts = value[10],
    oldest = value[11], email = value[12], external_id = value[13],
    first_name = value[14], last_name = value[15], custom_attributes = value[16],
  }, value[2]
end

-- Say of which format a user's data is, before the first of it is written.
local function write_format(user, record)
  if record.format then return end
  set_fields(user, { 'format', FORMAT })
  record.format = FORMAT
end

-- work gets the keys, its own arguments and the user's record. What it writes it writes whole; a use stays counted.
-- ->  "deleted" | "revoked" | "limited", used, seconds | "ok" (or "unheard", where the server did not let it publish),
--     used, seconds, result of the work
local function guarded(work, may_write)
  return function(keys, args)
    local user, kind, limit, token_id, issued_at = keys[1], args[1], tonumber(args[2]), args[3], tonumber(args[4])
    if not call then begin_call() end
    generation_key, is_unpublished = keys[3] or GENERATION, false
    local record, is_deleted = read_record(user)
    if is_deleted then return { 'deleted' } end
    if is_revoked(user, record.revoked_before, token_id, issued_at, may_write) then return { 'revoked' } end
    local used, seconds = 0, 0
    if kind ~= '' then
      used, seconds = count_use(user, kind)
      if used > limit then return { 'limited', used, seconds } end
    end
    local result = run_atomic(work, keys, { unpack(args, GUARD_ARGUMENTS + 1) }, record)
    return { is_unpublished and 'unheard' or 'ok', used, seconds, result }
  end
end
