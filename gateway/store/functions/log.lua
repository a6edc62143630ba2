-- The event log. Every change appends one event to it and publishes the same bytes, in the same atomic step.

local CHECK_MS = 1000 -- the time between two checks for a promotion; INFO takes 2 µs
-- The key of the data generation for the current call. In a cluster it is in the slot of the call, because a function
-- may read only its own slot.
local generation_key = GENERATION
local promoted_as, generations, checked_ms = '', {}, nil
local is_unpublished = false -- whether the event of the current call could not be published

-- Check whether this server was promoted from replica to primary. If so, it may lack acknowledged writes.
local function check_promotion(now_ms)
  local replication = call('INFO', 'replication')
  local promoted = not replication:find('master_replid2:0000', 1, true)
  promoted_as = promoted and replication:match('master_replid:(%x+)'):sub(1, 8) or ''
  generations, checked_ms = {}, now_ms
end

-- ->    the name of the generation of this server's data
-- It changes when the data may lack acknowledged writes: after the promotion of a replica, and when the operator of the
-- server sets another name. (The gateway does that for its bundled server if it died before all data was on disk.) The
-- name is stored as data, because a restart erases the server's own record of its promotion.
local function generation(now_ms)
  if not (now_ms and checked_ms) or math.abs(now_ms - checked_ms) >= CHECK_MS then check_promotion(now_ms) end
  local current = generations[generation_key]
  if not current then
    current = call('GET', generation_key) or ''
    -- A generation that a restoration began on this server ends with the name of the promotion before it.
    if promoted_as ~= '' and current:sub(-#promoted_as) ~= promoted_as then
      current = promoted_as
      call('SET', generation_key, current)
    end
    generations[generation_key] = current
  end
  return current
end

-- Store the generation of a promoted server now, because it may restart before the next write would store it.
-- KEYS  generation
-- ->    the generation that a promotion began, or ""
local function note_generation(keys)
  generation_key = keys[1]
  generation()
  return promoted_as
end

-- ->    the epoch that names a new log
-- No two logs have the same epoch, whether of different users or of one. All recipients of a request have the same
-- `epoch_if_new`.
local function epoch_of(user, epoch_if_new, current_generation)
  return redis.sha1hex(epoch_if_new .. ' ' .. current_generation .. ' ' .. user):sub(1, EPOCH_CHARACTERS)
end

-- Begin the log of a user that has none, in the record only. The next event writes it.
-- ->    whether the log is new
local function begin_log(user, record, epoch_if_new, current_generation)
  if record.epoch then return false end
  record.life = current_generation or generation()
  record.epoch, record.offset = epoch_of(user, epoch_if_new, record.life), 0
  return true
end

-- The fields of a user's record that write_position writes.
local POSITION = { 'format', 'epoch', 'offset', 'life', 'sent_at', 'log_until', 'counts' }

-- ->    field, value, …
local function position_of(record)
  local found = {}
  for _, field in ipairs(POSITION) do
    if record[field] then found[#found + 1], found[#found + 2] = field, record[field] end
  end
  return found
end

-- before: field, value, …, from the record or from `position_of`
local function restore_position(user, before)
  local values = {}
  for i = 1, #before, 2 do values[before[i]] = before[i + 1] end
  for _, field in ipairs(POSITION) do
    if values[field] then try('HSET', user, field, values[field]) else try('HDEL', user, field) end
  end
end

-- Advance the position in the record. The first event of a new generation begins a new epoch, because the same offset
-- of the old epoch may have been used for a lost event.
-- ->    whether the epoch is new
local function advance(user, record, context)
  local current = generation(context.now_ms)
  local is_other = current ~= '' and record.life ~= current
  local is_new = begin_log(user, record, context.epoch_if_new, current) or is_other
  if is_other then record.epoch, record.life = epoch_of(user, context.epoch_if_new, current), current end
  record.offset = record.offset + 1
  return is_new
end

-- Write the position of the record, and what changes with it.
local function write_position(user, record, offset, with_epoch, with_lifetime, with_sent_at)
  if not with_epoch and not with_lifetime then -- as nearly always
    if not with_sent_at then return call('HSET', user, 'offset', offset, 'counts', record.counts) end
    return call('HSET', user, 'offset', offset, 'counts', record.counts, 'sent_at', record.sent_at)
  end
  local fields = {}
  if with_epoch then
    record.format = FORMAT
    fields = { 'epoch', record.epoch, 'life', record.life, 'format', FORMAT }
  end
  if with_lifetime then fields[#fields + 1], fields[#fields + 2] = 'log_until', record.log_until end
  if with_sent_at then fields[#fields + 1], fields[#fields + 2] = 'sent_at', record.sent_at end
  call('HSET', user, 'offset', offset, 'counts', record.counts, unpack(fields))
end

-- Remove the events that are older than `seconds`, by the earlier of two clocks, so that a gateway whose clock is ahead
-- removes no recent events.
local function trim_by_age(log, now_ms, seconds)
  local oldest_ms = math.min(now_ms, 1000 * call('TIME')[1]) - 1000 * seconds
  while true do
    local first = call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
    if not first or tonumber(first[1]:match('-(%d+)$')) >= oldest_ms then return end
    call('XDEL', log, first[1])
  end
end

-- ->    the first four arguments of every function that writes to an inbox, and the time in seconds, as text and number
local function context_of(args)
  local seconds = args[1]:sub(1, -4)
  return {
    ms = args[1], now_ms = tonumber(args[1]), seconds = seconds, now = tonumber(seconds),
    epoch_if_new = args[2], log_events = args[3], log_seconds = tonumber(args[4]),
  }
end

-- What an item of each bucket adds to the counts: unread, unseen, unarchived unread, unarchived unseen.
local COUNTED = {
  [0] = { 1, 1, 1, 1 }, [1] = { 1, 0, 1, 0 }, [3] = { 0, 0, 0, 0 },
  [4] = { 1, 1, 0, 0 }, [5] = { 1, 0, 0, 0 }, [7] = { 0, 0, 0, 0 },
}

-- from, to: the bucket of an item before and after the next event; nil where it is in none
-- ->    the counts as of the next event, from those in the record. Reading the size of every index instead would be a
--       tenth of the cost of an event. They are read if those in the record are not of its last event, because a gateway
--       of an earlier build, which writes no counts, appended it.
local function counts_after(user, record, from, to)
  local offset, unread, unseen, unarchived_unread, unarchived_unseen
  if record.counts then
    offset, unread, unseen, unarchived_unread, unarchived_unseen
      = record.counts:match('^(%d+) (%d+) (%d+) (%d+) (%d+)$')
  end
  if not offset or tonumber(offset) ~= record.offset then return counts(user) end
  local now, before = COUNTED[to or 7], COUNTED[from or 7] -- items of bucket 7 are not counted
  return unread + now[1] - before[1], unseen + now[2] - before[2],
    unarchived_unread + now[3] - before[3], unarchived_unseen + now[4] - before[4]
end

-- A log of events of usual size takes less than a megabyte. A log keeps fewer large events. Otherwise a user who marks
-- a large item read and unread again and again would fill the server. Only a few of the logged events can be as large,
-- so a log stays within a small multiple of LOG_BYTES.
local LARGE_BYTES = 16 * 1024
local LOG_BYTES = 16 * 1024 * 1024
local MIN_EVENTS = 4 -- even of the largest possible events, 8 MB each

-- ->    how many events a log keeps when an event of this size is appended
local function events_kept(log_events, bytes)
  if bytes <= LARGE_BYTES then return log_events end
  local most = tonumber(log_events)
  local room = math.floor(math.max(LOG_BYTES, most * LARGE_BYTES) / bytes)
  return integer(math.min(most, math.max(MIN_EVENTS, room)))
end

-- Append an event to the log and publish it. After XADD the change is complete, and the rest may fail.
-- head, data: two parts of the event's data, in JSON, so that a long part need not be copied
-- unread …: the counts as of this event
-- A broadcast runs this for every recipient, so numbers are converted once, and the message is one concatenation.
local function append(user, record, context, name, head, data, unread, unseen, unarchived_unread, unarchived_unseen)
  local before = record.stored or position_of(record)
  if context.sent_at then record.sent_at = context.sent_at end
  -- The lifetime is a tenth longer than configured, so that not every event has to renew it. It is also renewed if a
  -- clock that was ahead set it.
  local until_then, now, log_seconds = tonumber(record.log_until or 0), context.now, context.log_seconds
  local renew = now + log_seconds > until_then or until_then > now + 1.1 * log_seconds + CLOCK_SECONDS
  if renew then record.log_until = integer(math.ceil(now + 1.1 * log_seconds)) end
  unread, unseen = integer(unread), integer(unseen)
  unarchived_unread, unarchived_unseen = integer(unarchived_unread), integer(unarchived_unseen)
  local is_new = advance(user, record, context)
  local offset = integer(record.offset)
  record.counts = offset .. ' ' .. unread .. ' ' .. unseen .. ' ' .. unarchived_unread .. ' ' .. unarchived_unseen
  write_position(user, record, offset, is_new, renew, context.sent_at)
  push_undo(restore_position, user, before)
  local position = record.epoch .. '.' .. offset
  local message = position .. ' ' .. context.ms .. ' ' .. name .. '\n{"type":"event","position":"' .. position
    .. '","name":"' .. name .. '","data":' .. head .. data
    .. ',"unread_count":' .. unread .. ',"unseen_count":' .. unseen
    .. ',"unarchived":{"unread_count":' .. unarchived_unread .. ',"unseen_count":' .. unarchived_unseen .. '}}'
  local log = user .. LOG
  local kept = #message > LARGE_BYTES and events_kept(context.log_events, #message) or context.log_events
  call('XADD', log, 'MAXLEN', kept, offset .. '-' .. context.ms, 'm', message)
  undo_count, record.stored = 0, nil -- as commit()
  -- A failure here is repaired later: another event renews and trims the log, and if publishing failed, the reply makes
  -- the gateway publish a message that makes the open inboxes read the log.
  if renew then try('EXPIRE', log, integer(math.ceil(1.1 * log_seconds))) end
  -- An idle log expires as a whole. A busy log is trimmed by age only with every 16th event, to keep the others cheap.
  if record.offset % 16 == 0 then pcall(trim_by_age, log, context.now_ms, log_seconds) end
  if type(try('SPUBLISH', user, message)) == 'table' then is_unpublished = true end
end
