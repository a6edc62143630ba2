-- Functions that only read (the first read of a new user gives the log its epoch).

-- Read a filter's categories and topics from args[first]: count, names …, count, names …
-- ->  a function from bucket to the index keys that hold exactly the matching items, each item in one of them
local function scope_of(user, args, first)
  local categories, topics = {}, {}
  local category_count = tonumber(args[first])
  for i = 1, category_count do categories[i] = args[first + i] end
  local second = first + category_count + 1
  for i = 1, tonumber(args[second]) do topics[i] = args[second + i] end
  return function(bucket)
    if #categories == 0 and #topics == 0 then return { inbox_key(user, bucket) } end
    local keys = {}
    if #topics == 0 then
      for i, category in ipairs(categories) do keys[i] = category_key(user, bucket, category) end
    elseif #categories == 0 then
      for i, topic in ipairs(topics) do keys[i] = topic_key(user, bucket, topic) end
    else
      for _, category in ipairs(categories) do
        for _, topic in ipairs(topics) do keys[#keys + 1] = pair_key(user, bucket, category, topic) end
      end
    end
    return keys
  end
end

-- The score of the item that stands at `rank` (0 is the newest) over all keys. Scores are creation offsets:
-- whole numbers, no two alike, so a binary search by ZCOUNT finds it without touching the items before it.
local function score_at(keys, rank, newest)
  local low, high = 1, newest
  while low < high do
    local middle = math.ceil((low + high) / 2)
    local count = 0
    for _, key in ipairs(keys) do count = count + redis.call('ZCOUNT', key, integer(middle), '+inf') end
    if count > rank then low = middle else high = middle - 1 end
  end
  return low
end

-- The ids from `rank` on, newest first, merged over all keys.
local function merged_ids(keys, rank, limit, newest)
  if #keys == 1 then
    return redis.call('ZRANGE', keys[1], rank, rank + limit - 1, 'REV')
  end
  local from = rank == 0 and '+inf' or integer(score_at(keys, rank, newest))
  local found = {}
  for _, key in ipairs(keys) do
    local pairs_of = redis.call('ZRANGE', key, from, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit, 'WITHSCORES')
    for i = 1, #pairs_of, 2 do
      found[#found + 1] = { id = pairs_of[i], score = tonumber(pairs_of[i + 1]) }
    end
  end
  table.sort(found, function(a, b) return a.score > b.score end)
  local ids = {}
  for i = 1, math.min(limit, #found) do ids[i] = found[i].id end
  return ids
end

-- KEYS  user
-- ARGV  buckets rank limit  number of categories, category …, number of topics, topic …
-- ->    epoch ("" for a user without a log), offset, total, unread, unseen, then each item as JSON, newest first
local function list(keys, args, record)
  local user = keys[1]
  local rank, limit = tonumber(args[2]), tonumber(args[3])
  local scope = scope_of(user, args, 4)
  local total, unread, unseen, filled = 0, 0, 0, {}
  for bucket in args[1]:gmatch('%d') do
    for _, key in ipairs(scope(bucket)) do
      local size = redis.call('ZCARD', key)
      if size > 0 then
        filled[#filled + 1] = key
        total = total + size
        if not is_set(bucket, 1) then unseen = unseen + size end
        if not is_set(bucket, 2) then unread = unread + size end
      end
    end
  end
  local result = { record.epoch or '', integer(record.offset or 0), total, unread, unseen }
  if rank >= total then return result end

  local ids = merged_ids(filled, rank, limit, record.offset)
  local contents = redis.call('HMGET', user .. ITEMS, unpack(ids))
  local states = redis.call('HMGET', user .. STATES, unpack(ids))
  local recipient = recipient_json(user, record)
  for i = 1, #ids do
    local content = content_or_reference(contents[i], ids[i])
    result[5 + i] = notification_json(content, unpack_state(states[i]), recipient)
  end
  return result
end

-- KEYS  user
-- ARGV  id
-- ->    the item as JSON, or false
local function get(keys, args, record)
  local packed = redis.call('HGET', keys[1] .. STATES, args[1])
  if not packed then return false end
  local content = content_or_reference(redis.call('HGET', keys[1] .. ITEMS, args[1]), args[1])
  return notification_json(content, unpack_state(packed), recipient_json(keys[1], record))
end

-- Read tokens from args[first]: id, issued_at …
local function revoked_tokens(user, record, args, first)
  local found = {}
  for i = first, #args, 2 do
    if is_revoked(user, record.revoked_before, args[i], tonumber(args[i + 1])) then found[#found + 1] = (i - first) / 2 end
  end
  return found
end

-- KEYS  user
-- ARGV  epoch_if_new  after_epoch after_offset ("" for from now)  max_events max_bytes
--       then id and issued_at of each token ("" for none) that the answer is for
-- ->    epoch, offset, unread, unseen, unarchived unread, unarchived unseen, reset reason or "",
--       the indexes (from 0) of the tokens that are revoked, then messages
local function read_log(keys, args, record)
  local user = keys[1]
  local count = known_counts(record, 0) or counts(user)
  if begin_log(record, args[1]) then
    redis.call('HSET', user, 'epoch', record.epoch, 'offset', 0, 'life', record.life)
  end
  local epoch, offset = record.epoch, record.offset
  local result = {
    epoch, offset, count.unread, count.unseen, count.unarchived_unread, count.unarchived_unseen, '',
    revoked_tokens(user, record, args, 6),
  }
  local HEAD = #result -- before the messages
  local after = tonumber(args[3])
  if not after then return result end
  if after < 0 then
    result[7] = 'position_invalid'
  elseif args[2] ~= epoch then
    result[7] = 'epoch_changed'
  elseif after > offset then
    result[7] = 'position_unknown'
  end
  if result[7] ~= '' or after == offset then return result end

  local max_events, max_bytes, bytes = tonumber(args[4]), tonumber(args[5]), 0
  local next_offset, contiguous = after + 1, true
  while contiguous and next_offset <= offset and #result - HEAD < max_events and bytes < max_bytes do
    local step = math.min(64, max_events - (#result - HEAD))
    local entries = redis.call('XRANGE', user .. LOG, integer(next_offset), '+', 'COUNT', step)
    contiguous = #entries > 0
    for _, entry in ipairs(entries) do
      contiguous = entry[1]:match('^%d+') == integer(next_offset)
      if not contiguous or bytes >= max_bytes then break end
      result[#result + 1] = entry[2][2]
      bytes = bytes + #entry[2][2]
      next_offset = next_offset + 1
    end
  end
  if #result == HEAD then result[7] = 'position_expired' end
  return result
end

-- KEYS  user
-- ->    nothing: the guard has counted and checked
local function use()
  return 0
end
