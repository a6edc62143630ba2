-- The log: every change appends one event here and publishes the same bytes, in the same step.

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
