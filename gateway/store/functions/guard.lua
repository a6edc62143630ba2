-- The guard: what every call in a user's slot must pass, in the same step as its work, so that nothing slips between.
-- A call carries the kind and limit of its rate ("" for none), and the id and issue time of its token ("" for none).

local GUARD_ARGUMENTS = 4
local RATE_WINDOW_SECONDS = 60

-- ->  how often this kind was used in the window, and the seconds until it ends
local function count_use(user, kind)
  local key = user .. RATE .. kind
  local used = redis.call('INCR', key)
  if used == 1 then redis.call('EXPIRE', key, RATE_WINDOW_SECONDS) end
  return used, redis.call('TTL', key)
end

-- revoked_before: as the user's record has it; issued_at: nil without a token
local function is_revoked(user, revoked_before, token_id, issued_at)
  if issued_at and issued_at < tonumber(revoked_before or 0) then return true end
  return token_id ~= '' and redis.call('ZSCORE', user .. REVOKED, token_id) and true or false
end

local RECORD = {
  'deleted', 'revoked_before', 'epoch', 'offset', 'life', 'sent_at', 'log_until', 'settled_until', 'counts', 'oldest',
  'email', 'external_id', 'first_name', 'last_name', 'custom_attributes',
}

-- ->  the user's record, in RECORD's order, read once for the guard, the log and the recipient; false is not there
local function read_record(user)
  local value = redis.call('HMGET', user, unpack(RECORD))
  return {
    deleted = value[1], revoked_before = value[2],
    epoch = value[3], offset = value[4] and tonumber(value[4]), life = value[5],
    sent_at = value[6], log_until = value[7], settled_until = value[8], counts = value[9], oldest = value[10],
    email = value[11], external_id = value[12],
    first_name = value[13], last_name = value[14], custom_attributes = value[15],
  }
end

-- work gets the keys, its own arguments and the user's record
-- ->  "deleted" | "revoked" | "limited", used, seconds | "ok", used, seconds, result of the work
local function guarded(work)
  return function(keys, args)
    local user, kind, limit, token_id, issued_at = keys[1], args[1], tonumber(args[2]), args[3], tonumber(args[4])
    life_key = keys[3] or LIFE
    local record = read_record(user)
    if record.deleted then return { 'deleted' } end
    if is_revoked(user, record.revoked_before, token_id, issued_at) then return { 'revoked' } end
    local used, seconds = 0, 0
    if kind ~= '' then
      used, seconds = count_use(user, kind)
      if used > limit then return { 'limited', used, seconds } end
    end
    return { 'ok', used, seconds, work(keys, { unpack(args, GUARD_ARGUMENTS + 1) }, record) }
  end
end
