-- Functions that change an inbox. Each is one fact: state, indexes, counts, log and publish together.

local HAD_IT, CREATED, UNWANTED = 0, 1, 2 -- as Outcome in store/inbox.py

local RETRIED_SECONDS = 60 -- far longer than a gateway waits for an answer that was lost before it asks again
local CLOCK_SECONDS = 60 -- how far apart gateways' clocks may be

-- Remember for a while what became of an item that is not there. The record says until when there may be such a mark:
-- hardly any user has one, and looking costs every item.
local function settle(user, context, record, id, outcome, seconds)
  redis.call('SET', user .. SETTLED .. id, outcome, 'EX', integer(seconds))
  local until_then = context.now + math.ceil(1.1 * seconds) + CLOCK_SECONDS
  if until_then > tonumber(record.settled_until or 0) then
    redis.call('HSET', user, 'settled_until', integer(until_then))
  end
end

local function may_be_settled(record, context)
  return record.settled_until and tonumber(record.settled_until) >= context.now
end

local function is_there(user, id)
  return redis.call('HEXISTS', user .. STATES, id) == 1
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds
--       id content category topic settled_seconds ("" unless the request may come again)
--       "1" if only a subscriber of this category and topic is to have it, or ""
--       number of profile fields, then field value … (overwrite), then field value … (only if absent)
-- ->    CREATED, HAD_IT or UNWANTED
local function create(keys, args, record)
  local user, context = keys[1], context_of(args)
  local id, content, category, topic, settled_seconds = args[5], args[6], args[7], args[8], args[9]
  local overwrite = 11 + 2 * tonumber(args[11])
  -- Hardly anybody has the item yet: that is looked at before something else is written or decided, and else by HSETNX.
  local settled = may_be_settled(record, context) and redis.call('GET', user .. SETTLED .. id)
  if settled then return is_there(user, id) and HAD_IT or tonumber(settled) end
  if args[10] ~= '' and not is_subscribed(user, category, topic) then
    return is_there(user, id) and HAD_IT or UNWANTED
  end
  local looked = false
  for i = 12, #args, 2 do
    local field, value = args[i], args[i + 1]
    if record[field] ~= value and (i < overwrite or not record[field]) then
      if not looked and is_there(user, id) then return HAD_IT end
      looked = true
      record[field] = value
      -- What the record does not hold may be there as well.
      redis.call(i < overwrite and 'HSET' or 'HSETNX', user, field, value)
    end
  end
  if is_muted(user, category, topic) then
    if is_there(user, id) then return HAD_IT end
    -- A repeated request must not decide anew.
    if settled_seconds ~= '' then settle(user, context, record, id, UNWANTED, tonumber(settled_seconds)) end
    return UNWANTED
  end
  -- Gateways' clocks differ; the newest item of an inbox is also the latest sent.
  if not record.sent_at or context.now > tonumber(record.sent_at) then record.sent_at = context.seconds end
  local state = {
    sent = record.sent_at, seen = '0', read = '0', archived = '0', category = category, topic = topic,
    repeatable = settled_seconds ~= '',
  }
  if redis.call('HSETNX', user .. STATES, id, pack_state(state)) == 0 then return HAD_IT end
  if not is_reference(content) then redis.call('HSET', user .. ITEMS, id, content) end
  local score = integer((record.offset or 0) + 1)
  for _, key in ipairs(index_keys(user, 0, category, topic)) do redis.call('ZADD', key, score, id) end
  local data = item_data_json(content, state, recipient_json(user, record), '')
  -- One more of each kind: looking at every index again would be a sixth of what an item costs.
  append(user, record, context, 'notifications/new', data, known_counts(record, 1))
  return CREATED
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  id transition_code event_name client_id_json
-- ->    1 changed, 0 it was so already, -1 no such item
local function change(keys, args, record)
  local user, context = keys[1], context_of(args)
  local id, code, name, client_id = args[5], args[6], args[7], args[8]
  local packed = redis.call('HGET', user .. STATES, id)
  if not packed then return -1 end
  local state = unpack_state(packed)
  local from = bucket_of(state)
  apply(state, code, context.seconds)
  local to = bucket_of(state)
  if from == to then return 0 end
  redis.call('HSET', user .. STATES, id, pack_state(state))
  local source = index_keys(user, from, state.category, state.topic)
  local target = index_keys(user, to, state.category, state.topic)
  local score = redis.call('ZSCORE', source[1], id)
  for i = 1, #source do
    redis.call('ZREM', source[i], id)
    redis.call('ZADD', target[i], score, id)
  end
  local content = content_or_reference(redis.call('HGET', user .. ITEMS, id), id)
  append(user, record, context, name, item_data_json(content, state, recipient_json(user, record), client_id))
  return 1
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  id client_id_json settled_seconds
-- ->    1 deleted, -1 no such item
local function delete(keys, args, record)
  local user, context = keys[1], context_of(args)
  local id, client_id, settled_seconds = args[5], args[6], args[7]
  local packed = redis.call('HGET', user .. STATES, id)
  if not packed then return -1 end
  local state = unpack_state(packed)
  local content = content_or_reference(redis.call('HGET', user .. ITEMS, id), id)
  for _, key in ipairs(index_keys(user, bucket_of(state), state.category, state.topic)) do
    redis.call('ZREM', key, id)
  end
  redis.call('HDEL', user .. ITEMS, id)
  redis.call('HDEL', user .. STATES, id)
  -- Whoever repeats the request that created it must not bring it back. Where nobody can, nothing is to be remembered.
  local most = state.repeatable and tonumber(settled_seconds) or RETRIED_SECONDS
  local seconds = most - (context.now - tonumber(state.sent))
  if seconds > 0 then settle(user, context, record, id, HAD_IT, seconds) end
  local data = item_data_json(content, state, recipient_json(user, record), client_id)
  append(user, record, context, 'notifications/delete', data)
  return 1
end

local function in_chunks(command, key, values, width)
  local step = width * math.floor(CHUNK / width)
  for first = 1, #values, step do
    redis.call(command, key, unpack(values, first, math.min(first + step - 1, #values)))
  end
end

-- Move some members of one sorted set to another: `members` and `scores` at the places that `chosen` lists.
local function move_between(source, target, chosen, members, scores)
  local whole = redis.call('ZCARD', source) == #chosen
  local target_size = redis.call('ZCARD', target)
  if whole and target_size == 0 then
    redis.call('RENAME', source, target)
  elseif whole and #chosen * 8 > target_size then
    -- A union walks both sets, at a fraction of what adding costs an item.
    redis.call('ZUNIONSTORE', target, 2, target, source)
    redis.call('UNLINK', source)
  else
    local removed, added = {}, {}
    for i, place in ipairs(chosen) do
      removed[i] = members[place]
      added[2 * i - 1] = scores[place]
      added[2 * i] = members[place]
    end
    in_chunks('ZREM', source, removed, 1)
    in_chunks('ZADD', target, added, 2)
  end
end

-- Move every item of one index key to what the transition makes of it, all its indexes with it. An inbox may hold
-- 100,000 items and Redis does nothing else meanwhile, so an item costs a few string operations and no command.
local function change_bucket(user, key, from, to, code, now)
  local entries = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  local members, scores, states = {}, {}, {}
  for i = 1, #entries, 2 do
    members[#members + 1] = entries[i]
    scores[#scores + 1] = entries[i + 1]
  end

  -- Per index key the places of its items; `indexes` finds those of an item by its category and topic as packed.
  local chosen, target_of, indexes = {}, {}, {}
  local function indexes_of(packed)
    local state, lists = unpack_state(packed), {}
    local targets = index_keys(user, to, state.category, state.topic)
    for i, source in ipairs(index_keys(user, from, state.category, state.topic)) do
      chosen[source] = chosen[source] or {}
      target_of[source] = targets[i]
      lists[i] = chosen[source]
    end
    return lists
  end

  local set_seen, set_read, set_archived = code:sub(1, 1), code:sub(2, 2), code:sub(3, 3)
  for first = 1, #members, CHUNK do
    local last = math.min(first + CHUNK - 1, #members)
    local packed_states = redis.call('HMGET', user .. STATES, unpack(members, first, last))
    for i, packed in ipairs(packed_states) do
      local sent, seen, read, archived, scope = packed:match('^(%d+) (%d+) (%d+) (%d+) (.*)$')
      local place = first + i - 1
      states[2 * place - 1] = members[place]
      states[2 * place] = table.concat({
        sent, written(seen, set_seen, now), written(read, set_read, now), written(archived, set_archived, now), scope,
      }, ' ')
      local lists = indexes[scope]
      if not lists then
        lists = indexes_of(packed)
        indexes[scope] = lists
      end
      for j = 1, #lists do lists[j][#lists[j] + 1] = place end
    end
  end
  in_chunks('HSET', user .. STATES, states, 2)
  for source, places in pairs(chosen) do
    move_between(source, target_of[source], places, members, scores)
  end
  return #members
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  transition_code event_name data_json buckets
--       number of categories, category …, number of topics, topic …
-- ->    how many items changed; none changed, no event
local function change_all(keys, args, record)
  local user, context = keys[1], context_of(args)
  local code, name, data = args[5], args[6], args[7]
  local now, changed = context.seconds, 0
  local scope = scope_of(user, args, 9)
  for bucket in args[8]:gmatch('%d') do
    local probe = { sent = '1', seen = '0', read = '0', archived = '0', category = '', topic = '' }
    if is_set(bucket, 1) then probe.seen = '1' end
    if is_set(bucket, 2) then probe.read = '1' end
    if is_set(bucket, 4) then probe.archived = '1' end
    apply(probe, code, '1')
    local to = bucket_of(probe)
    if to ~= tonumber(bucket) then
      for _, key in ipairs(scope(bucket)) do
        changed = changed + change_bucket(user, key, bucket, to, code, now)
      end
    end
  end
  if changed > 0 then append(user, record, context, name, data) end
  return changed
end

-- KEYS  user
-- ->    what is known of it besides the names, JSON-encoded or false
local function read_profile(keys)
  return redis.call('HMGET', keys[1], 'first_name', 'last_name', 'custom_attributes', 'phone_numbers')
end

-- KEYS  user
-- ARGV  field value …: profile fields, JSON-encoded; "null" removes one
local function set_profile(keys, args)
  for i = 1, #args, 2 do
    if args[i + 1] == 'null' then
      redis.call('HDEL', keys[1], args[i])
    else
      redis.call('HSET', keys[1], args[i], args[i + 1])
    end
  end
  return read_profile(keys)
end

-- KEYS  user
-- ARGV  seconds to remember the deletion
-- ->    the topics about which it had said something
-- Remove everything of a user but the fact, and tell the nodes that hold connections of it.
local function delete_user(keys, args)
  local user = keys[1]
  local indexes = {}
  for _, packed in ipairs(redis.call('HVALS', user .. STATES)) do
    local state = unpack_state(packed)
    for _, bucket in ipairs(SCOPE_BUCKETS) do
      for _, key in ipairs(index_keys(user, bucket, state.category, state.topic)) do indexes[key] = true end
    end
  end
  for key in pairs(indexes) do redis.call('UNLINK', key) end
  local topics = redis.call('HKEYS', user .. SUBSCRIPTIONS)
  for _, suffix in ipairs(USER_KEYS) do redis.call('UNLINK', user .. suffix) end
  redis.call('UNLINK', user)
  redis.call('HSET', user, 'deleted', '1')
  redis.call('EXPIRE', user, args[1])
  redis.call('SPUBLISH', user, '!deleted')
  return topics
end
