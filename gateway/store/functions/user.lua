-- What all functions of a user's slot share: the user's record, items and their states, indexes, JSON, the log.
-- Every function takes one key, the user's; the other keys hang on it (store/keys.py) and share its slot.

local SCOPE_BUCKETS = { 0, 1, 3, 4, 5, 7 } -- bits: seen 1, read 2, archived 4; read implies seen
local CHUNK = 1000 -- arguments per variadic command, well under Lua's unpack limit

local function integer(number) -- below 2^53; '%.0f' takes five times as long
  return string.format('%d', number)
end

local UUID_FORMAT = ('%02x'):rep(4) .. ('-' .. ('%02x'):rep(2)):rep(3) .. '-' .. ('%02x'):rep(6)

local function unpacked_id(packed)
  return UUID_FORMAT:format(packed:byte(1, 16))
end

local function is_set(bucket, bit) -- bit is 1, 2 or 4
  return math.floor(bucket / bit) % 2 == 1
end

-- state: { sent, seen, read, archived, category, topic, repeatable }; times are decimal strings, '0' is unset.
-- repeatable: the request that brought it may come again for a day.

local function unpack_state(packed)
  local sent, seen, read, archived, repeatable, length, rest =
    packed:match('^(%d+) (%d+) (%d+) (%d+) (r?)(%d+) (.*)$')
  length = tonumber(length)
  return {
    sent = sent,
    seen = seen,
    read = read,
    archived = archived,
    category = rest:sub(1, length),
    topic = rest:sub(length + 1),
    repeatable = repeatable ~= '',
  }
end

local function pack_state(state)
  return state.sent .. ' ' .. state.seen .. ' ' .. state.read .. ' ' .. state.archived
    .. (state.repeatable and ' r' or ' ') .. #state.category .. ' ' .. state.category .. state.topic
end

local function bucket_of(state)
  return (state.seen ~= '0' and 1 or 0) + (state.read ~= '0' and 2 or 0) + (state.archived ~= '0' and 4 or 0)
end

local function written(value, write, now)
  if write == 'c' then return '0' end
  if write == 's' and value == '0' then return now end
  return value
end

-- code: three writes for seen, read, archived, as domain/notification.py spells a transition
local function apply(state, code, now)
  state.seen = written(state.seen, code:sub(1, 1), now)
  state.read = written(state.read, code:sub(2, 2), now)
  state.archived = written(state.archived, code:sub(3, 3), now)
end

-- indexes: a scope is a function from bucket to key

local function inbox_key(user, bucket) return user .. INBOX .. bucket end
local function category_key(user, bucket, category) return user .. CATEGORY .. bucket .. ':' .. category end
local function topic_key(user, bucket, topic) return user .. TOPIC .. bucket .. ':' .. topic end
local function pair_key(user, bucket, category, topic)
  return user .. PAIR .. bucket .. ':' .. #category .. ':' .. category .. topic
end

local function index_keys(user, bucket, category, topic)
  local keys = { inbox_key(user, bucket), category_key(user, bucket, category) }
  if topic ~= '' then
    keys[3] = topic_key(user, bucket, topic)
    keys[4] = pair_key(user, bucket, category, topic)
  end
  return keys
end

local function counts(user)
  local size = {}
  for _, bucket in ipairs({ 0, 1, 4, 5 }) do
    size[bucket] = redis.call('ZCARD', inbox_key(user, bucket))
  end
  return {
    unread = size[0] + size[1] + size[4] + size[5],
    unseen = size[0] + size[4],
    unarchived_unread = size[0] + size[1],
    unarchived_unseen = size[0],
  }
end

-- Counts as of the last event, which the record has, and `more` of each; or nothing for one that was written before it
-- had them.
local function known_counts(record, more)
  if not record.epoch then
    return { unread = more, unseen = more, unarchived_unread = more, unarchived_unseen = more }
  end
  local unread, unseen, unarchived_unread, unarchived_unseen = (record.counts or ''):match('^(%d+) (%d+) (%d+) (%d+)$')
  if not unread then return nil end
  return {
    unread = unread + more, unseen = unseen + more,
    unarchived_unread = unarchived_unread + more, unarchived_unseen = unarchived_unseen + more,
  }
end

-- Contents that many items share lie elsewhere: an item of one has no content here, and shows its id and a NUL.

local function is_reference(content)
  return content:byte(-1) == 0
end

local function content_or_reference(content, id)
  return content or '{"id":"' .. unpacked_id(id) .. '"\0'
end

-- JSON, put together from encoded parts: nothing is decoded or encoded here

local function json_time(value)
  return value == '0' and 'null' or value
end

local function recipient_json(user, record)
  return '{"id":"' .. user:match(':([^:]+)}$')
    .. '","email":' .. (record.email or 'null')
    .. ',"external_id":' .. (record.external_id or 'null')
    .. ',"first_name":' .. (record.first_name or 'null')
    .. ',"last_name":' .. (record.last_name or 'null')
    .. ',"custom_attributes":' .. (record.custom_attributes or 'null') .. '}'
end

local function notification_json(content, state, recipient)
  return content .. ',"recipient":' .. recipient
    .. ',"seen_at":' .. json_time(state.seen)
    .. ',"sent_at":' .. json_time(state.sent)
    .. ',"read_at":' .. json_time(state.read)
    .. ',"archived_at":' .. json_time(state.archived) .. '}'
end

-- content always begins with {"id":"<36 characters>"
local function item_data_json(content, state, recipient, client_id)
  local data = '{"id":"' .. content:sub(8, 43) .. '","notification":' .. notification_json(content, state, recipient)
  return client_id ~= '' and data .. ',"client_id":' .. client_id .. '}' or data .. '}'
end

-- the log: every change appends one event here and publishes the same bytes, in the same step

local LOOK_MS = 1000 -- INFO takes 2 µs
local life_key = LIFE -- of the call that runs: in a cluster, where a function may read its own slot only, the slot's
local promoted_as, lives, looked_ms = '', {}, nil

-- See whether a promotion made this server a primary: it may lack what was acknowledged before.
local function look_at_server(now_ms)
  local replication = redis.call('INFO', 'replication')
  local promoted = not replication:find('master_replid2:0000', 1, true)
  promoted_as = promoted and replication:match('master_replid:(%x+)'):sub(1, 8) or ''
  lives, looked_ms = {}, now_ms
end

-- Name the life of this server's data: another one when it may lack what was told already, which is after a replica was
-- promoted, and after whoever runs the server said so (the bundled one, when it died before it had written all). Kept
-- as data, because a server that restarts knows nothing of its promotion.
local function life(now_ms)
  if not (now_ms and looked_ms) or math.abs(now_ms - looked_ms) >= LOOK_MS then look_at_server(now_ms) end
  local current = lives[life_key]
  if not current then
    current = redis.call('GET', life_key) or ''
    if promoted_as ~= '' and promoted_as ~= current then
      current = promoted_as
      redis.call('SET', life_key, current)
    end
    lives[life_key] = current
  end
  return current
end

-- KEYS  the key of a life
-- ->    the life that a promotion began, or ""
-- Keep what life this is before anybody writes: the server may restart first.
local function note_life(keys)
  life_key = keys[1]
  life()
  return promoted_as
end

-- Give the record of a user without a log its epoch; one that is all in memory is written by the next event.
local function begin_log(record, epoch_if_new, current_life)
  if record.epoch then return false end
  record.epoch, record.offset, record.life = epoch_if_new, 0, current_life or life()
  return true
end

-- Take the next offset, and give it as text. The first event of another life begins an epoch: the same offset may have
-- been another event.
local function next_position(user, record, context)
  local fields, current = {}, life(tonumber(context.now_ms))
  if begin_log(record, context.epoch_if_new, current) or current ~= '' and record.life ~= current then
    record.epoch, record.life = context.epoch_if_new, current
    fields = { 'epoch', record.epoch, 'life', record.life }
  end
  record.offset = record.offset + 1
  local offset = integer(record.offset)
  redis.call(
    'HSET', user, 'offset', offset, 'sent_at', record.sent_at or '0', 'log_until', record.log_until,
    'counts', record.counts,
    unpack(fields)
  )
  return offset
end

local function trim_by_age(log, oldest_ms)
  while true do
    local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
    if not first or tonumber(first[1]:match('-(%d+)$')) >= oldest_ms then return end
    redis.call('XDEL', log, first[1])
  end
end

-- The first four arguments of every function that writes; and the time in seconds, as text and as a number.
local function context_of(args)
  local seconds = args[1]:sub(1, -4)
  return {
    now_ms = args[1], seconds = seconds, now = tonumber(seconds),
    epoch_if_new = args[2], log_events = args[3], log_seconds = tonumber(args[4]),
  }
end

-- count: what the counts are now, where the caller knows
-- A broadcast does this for everybody: numbers are written as text once, and the message is put together in one go.
local function append(user, record, context, name, data, count)
  -- A tenth more than it is for, so that not every event has to say so again.
  local renew = context.now + context.log_seconds > tonumber(record.log_until or 0)
  if renew then record.log_until = integer(math.ceil(context.now + 1.1 * context.log_seconds)) end
  count = count or counts(user)
  local unread, unseen = integer(count.unread), integer(count.unseen)
  local unarchived_unread, unarchived_unseen = integer(count.unarchived_unread), integer(count.unarchived_unseen)
  record.counts = unread .. ' ' .. unseen .. ' ' .. unarchived_unread .. ' ' .. unarchived_unseen
  local offset = next_position(user, record, context)
  local position = record.epoch .. '.' .. offset
  local message = position .. ' ' .. context.now_ms .. ' ' .. name .. '\n{"type":"event","position":"' .. position
    .. '","name":"' .. name .. '","data":' .. data
    .. ',"unread_count":' .. unread .. ',"unseen_count":' .. unseen
    .. ',"unarchived":{"unread_count":' .. unarchived_unread .. ',"unseen_count":' .. unarchived_unseen .. '}}'
  local log = user .. LOG
  redis.call('XADD', log, 'MAXLEN', context.log_events, offset .. '-' .. context.now_ms, 'm', message)
  if renew then redis.call('EXPIRE', log, integer(math.ceil(1.1 * context.log_seconds))) end
  -- An idle log expires whole; a busy one is trimmed by age now and then, which keeps this off most writes.
  if record.offset % 16 == 0 then trim_by_age(log, tonumber(context.now_ms) - 1000 * context.log_seconds) end
  redis.call('SPUBLISH', user, message)
end

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
  'deleted', 'revoked_before', 'epoch', 'offset', 'life', 'sent_at', 'log_until', 'settled_until', 'counts',
  'email', 'external_id', 'first_name', 'last_name', 'custom_attributes',
}

-- ->  the user's record, in RECORD's order, read once for the guard, the log and the recipient; false is not there
local function read_record(user)
  local value = redis.call('HMGET', user, unpack(RECORD))
  return {
    deleted = value[1], revoked_before = value[2],
    epoch = value[3], offset = value[4] and tonumber(value[4]), life = value[5],
    sent_at = value[6], log_until = value[7], settled_until = value[8], counts = value[9],
    email = value[10], external_id = value[11],
    first_name = value[12], last_name = value[13], custom_attributes = value[14],
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
