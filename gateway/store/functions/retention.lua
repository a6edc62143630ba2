-- The removal of items: of single ones, and of the oldest ones that exceed the retention of their project.

local DUPLICATE, CREATED, MUTED = 0, 1, 2 -- as Outcome in store/deliveries.py

local REPEATED_SECONDS = 24 * 3600 -- as OUTCOME_SECONDS in store/inbox.py
local RETRIED_SECONDS = 60 -- far longer than the time after which a gateway repeats a call whose reply was lost
local TRIMMED_BYTES = 256 * 1024 -- of content that one call trims; the event of each removed item contains its content

-- Record for a while the outcome of a missing item. The user's record has the time until which there may be such an
-- outcome, because hardly any user has one, and each new item would have to check for it. Both times are by the
-- server's clock.
local function record_outcome(user, record, id, outcome, seconds)
  local key, before = user .. OUTCOME .. id, record.settled_until
  call('SET', key, outcome, 'EX', integer(seconds))
  push_undo(function() try('DEL', key) end)
  local until_then = tonumber(call('TIME')[1]) + math.ceil(1.1 * seconds)
  if until_then > tonumber(before or 0) then
    record.settled_until = integer(until_then)
    call('HSET', user, 'settled_until', record.settled_until)
    push_undo(function()
      if before then try('HSET', user, 'settled_until', before) else try('HDEL', user, 'settled_until') end
    end)
  end
end

-- Remove an item, with its event. An item whose state is lost is removed from every bucket.
-- ->    the size of its content in bytes
local function remove_item(user, record, context, id, packed, client_id)
  local stored = call('HGET', user .. ITEMS, id)
  local content, state = content_or_reference(stored, id), unpack_state(packed)
  local buckets = state and { bucket_of(state) } or BUCKETS
  state = state or state_by_content(content)
  local category, topic, offsets = state.category, state.topic, {}
  for i, bucket in ipairs(buckets) do offsets[i] = offset_of(user, bucket, id) end
  call('HDEL', user .. STATES, id)
  push_undo(function()
    if packed ~= '' then try('HSET', user .. STATES, id, packed) end
    if stored then try('HSET', user .. ITEMS, id, stored) end
    for i, bucket in ipairs(buckets) do
      if offsets[i] then add_to_indexes(try, user, bucket, category, topic, offsets[i], id) end
    end
  end)
  if stored then call('HDEL', user .. ITEMS, id) end
  for i, bucket in ipairs(buckets) do
    if offsets[i] then remove_from_indexes(call, user, bucket, category, topic, offsets[i], id) end
  end
  if record.outbox then outbox.remove(user, record, id) end
  -- A repetition of the request that created the item must not create it again. If none is possible, nothing is
  -- recorded.
  local most = state.repeatable and REPEATED_SECONDS or RETRIED_SECONDS
  local age = math.min(context.now, tonumber(call('TIME')[1])) - tonumber(state.sent) -- the earlier of two clocks
  local seconds = most - math.max(0, age)
  if seconds > 0 then record_outcome(user, record, id, DUPLICATE, seconds) end
  local data = item_data_json(content, state, recipient_json(user, record), client_id)
  if #buckets == 1 and offsets[1] then
    append(user, record, context, 'notifications/delete', '', data, counts_after(user, record, buckets[1], nil))
  else
    append(user, record, context, 'notifications/delete', '', data, counts(user))
  end
  return #content
end

-- ->    the ids of the `most` oldest items, oldest first
local function oldest_ids(user, most)
  local found, ids = {}, {}
  for _, bucket in ipairs(BUCKETS) do
    local entries = call('ZRANGE', inbox_key(user, bucket), 0, most - 1, 'WITHSCORES')
    for i = 1, #entries, 2 do found[#found + 1] = { id = entries[i], offset = tonumber(entries[i + 1]) } end
  end
  table.sort(found, function(a, b) return a.offset < b.offset end)
  for i = 1, math.min(most, #found) do ids[i] = found[i].id end
  return ids
end

-- Remove the oldest items beyond `count`, and those sent more than `seconds` ago (0 is no bound), at most `most` at a
-- time. Items are in the order of sending, so the oldest one shows whether any is too old. `oldest` in the record is
-- the time at which it was sent, or an earlier time.
-- ->    how many were removed, and whether there are more to remove
local function trim_items(user, record, context, count, seconds, most)
  if (record.sent_at or '0') == '0' then return 0, false end -- nothing was ever sent
  local surplus = count > 0 and call('HLEN', user .. STATES) - count or 0
  local oldest_age = record.oldest and context.now - tonumber(record.oldest)
  local may_be_old = seconds > 0 and not (oldest_age and oldest_age <= seconds and oldest_age >= -CLOCK_SECONDS)
  if surplus <= 0 and not may_be_old then return 0, false end
  -- The earlier of two clocks counts, so that a gateway whose clock is ahead does not empty inboxes.
  local oldest_kept = seconds > 0 and math.min(context.now, tonumber(call('TIME')[1])) - seconds or 0
  local removed, bytes, oldest = 0, 0, record.sent_at
  for _, id in ipairs(oldest_ids(user, most + 1)) do
    local packed = call('HGET', user .. STATES, id) or ''
    local state = unpack_state(packed) or { sent = '0' }
    if removed >= surplus and tonumber(state.sent) >= oldest_kept then
      oldest = state.sent
      break
    end
    if removed == most or bytes >= TRIMMED_BYTES then return removed, true end
    bytes = bytes + remove_item(user, record, context, id, packed, '')
    removed = removed + 1
  end
  if may_be_old and oldest and oldest ~= record.oldest then
    record.oldest = oldest
    call('HSET', user, 'oldest', oldest)
  end
  return removed, false
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  keep_items keep_seconds most
-- ->    how many items were removed, and 1 if there are more to remove or 0
local function trim(keys, args, record)
  local count, seconds, most = tonumber(args[5]), tonumber(args[6]), tonumber(args[7])
  local removed, more = trim_items(keys[1], record, context_of(args), count, seconds, most)
  return { removed, more and 1 or 0 }
end
