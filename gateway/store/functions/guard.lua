-- The guard: the checks of every call of a user, in the same atomic step as its work, so that nothing can change in
-- between. A call has the kind and limit of its rate ("" for none), and the id and issue time of its token ("" for
-- none).

local GUARD_ARGUMENTS = 4
local RATE_WINDOW_SECONDS = 60

-- Count a call.
-- base: the beginning of the counter's key: a user's key, or that of a project's admin calls
-- ->    the number of calls of this kind in the window, and the seconds until it ends
local function count_use(base, kind)
  local key = base .. RATE .. kind
  local used, seconds = call('INCR', key), call('TTL', key)
  -- A new window, one without an end, or one that became longer because a clock was set back.
  if seconds < 0 or seconds > RATE_WINDOW_SECONDS then
    call('EXPIRE', key, RATE_WINDOW_SECONDS)
    seconds = RATE_WINDOW_SECONDS
  end
  return used, seconds
end

-- A time in the future was written by a clock that was ahead. The first call that may write replaces it by the present.
-- ->    the second before which a user's tokens are not accepted, now at the latest
local function revoked_before_now(user, revoked_before, may_write)
  local now = tonumber(call('TIME')[1])
  if revoked_before <= now + CLOCK_SECONDS then return revoked_before end
  if may_write then call('HSET', user, 'revoked_before', integer(now)) end
  return now
end

-- An inbox token, which opens live connections, is accepted while it is stored and not discarded.
-- token_id: "in_app:" and the hexadecimal name of the token
local function is_discarded(user, token_id)
  local field = token_id:sub(8):gsub('%x%x', function(pair) return string.char(tonumber(pair, 16)) end)
  local packed = call('HGET', user .. INBOX_TOKENS, field)
  return not (packed and packed:match('^%d+ %d+ %d+ 0 '))
end

-- revoked_before: the field of the user's record; issued_at: nil without a token
local function is_revoked(user, revoked_before, token_id, issued_at, may_write)
  if issued_at and revoked_before and issued_at < tonumber(revoked_before)
    and issued_at < revoked_before_now(user, tonumber(revoked_before), may_write) then
    return true
  end
  if token_id == '' then return false end
  if token_id:sub(1, 7) == 'in_app:' then return is_discarded(user, token_id) end
  return call('ZSCORE', user .. REVOKED, token_id) and true or false
end

local function fail_by_format(what, format)
  error({ err = 'FORMAT ' .. what .. ' is of format ' .. tostring(format or 'unknown') })
end

-- A record without a format is valid if it does not exist yet, and then the user must have no other data either. It is
-- also valid if the user is deleted.
local function check_user_format(user, record)
  if record.deleted then return end
  if record.format or record.stored[1] then fail_by_format('a user', record.format) end
  local left = call('EXISTS', user .. STATES, user .. LOG, user .. SUBSCRIPTIONS, user .. PREFERENCES, user .. DEVICES,
    user .. TOKENS)
  if left > 0 then fail_by_format('a user') end
end

-- Read the record once for the guard, the log and the recipient's JSON. Reading all fields costs a third less than
-- naming those that are needed, each of which Redis would search. The table is created with the fields that most
-- records have, because it would be copied each time that it grows.
-- ->    the user's record, with `stored`: field, value, …; and whether the user is deleted
local function read_record(user)
  local stored = call('HGETALL', user)
  local record = {
    stored = stored, format = nil, epoch = nil, offset = nil, life = nil, sent_at = nil, log_until = nil, counts = nil,
    email = nil, external_id = nil, first_name = nil, last_name = nil, custom_attributes = nil, seen_at = nil,
  }
  for i = 1, #stored, 2 do record[stored[i]] = stored[i + 1] end
  if record.format ~= FORMAT then check_user_format(user, record) end
  local offset, epoch = record.offset, record.epoch
  record.offset = offset and tonumber(offset:match('^%d+$'))
  if epoch and not (record.offset and epoch:match('^%w+$')) then fail_by_data('the position of a user') end
  return record, record.deleted
end

-- Several workers report the same user, in no order. A time in the future was written by a clock that was ahead.
-- second: at which a user was seen, "" if it is not to be written
-- ->    whether to write it
local function is_seen_later(record, second)
  if second == '' then return false end
  if not record.format then return true end -- nothing is stored of the user yet
  local known = tonumber(record.seen_at or 0)
  return known < tonumber(second) or known > call('TIME')[1] + CLOCK_SECONDS
end

-- Write the format of a user's data before the first of it is written.
local function write_format(user, record)
  if record.format then return end
  set_fields(user, { 'format', FORMAT })
  record.format = FORMAT
end

-- work: a function of the keys, its own arguments and the user's record. If it fails, all its writes are undone, but
--       the call stays counted.
-- ->    a function to register, which returns "deleted" | "revoked" | "limited", used, seconds | "ok", used, seconds,
--       the result of the work; "unpublished" takes the place of "ok" when the event could not be published
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
    return { is_unpublished and 'unpublished' or 'ok', used, seconds, result }
  end
end
