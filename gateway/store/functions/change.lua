-- Functions that change an inbox. Each is one fact: state, indexes, counts, log and publish together.

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds
--       id content category topic created_ttl_seconds ("" without an Idempotency-Key)
--       number of profile fields, then field value … (overwrite), then field value … (only if absent)
-- ->    1, or 0 when this id was created before
local function create(keys, args)
  local user, context = keys[1], context_of(args)
  local id, content, category, topic, created_ttl = args[5], args[6], args[7], args[8], args[9]
  local overwrite = 10 + 2 * tonumber(args[10])
  if redis.call('HEXISTS', user .. STATES, id) == 1 then return 0 end
  if created_ttl ~= '' then
    if not redis.call('SET', user .. CREATED .. id, '1', 'NX', 'EX', created_ttl) then return 0 end
  end
  local _, offset = current_position(user, context.epoch_if_new)
  for i = 11, overwrite, 2 do redis.call('HSET', user, args[i], args[i + 1]) end
  for i = overwrite + 1, #args, 2 do redis.call('HSETNX', user, args[i], args[i + 1]) end

  -- Gateways' clocks differ; the newest item of an inbox is also the latest sent.
  local sent = math.max(tonumber(now_seconds(context)), tonumber(redis.call('HGET', user, 'sent_at') or 0))
  redis.call('HSET', user, 'sent_at', integer(sent))
  local state = {
    sent = integer(sent), seen = '0', read = '0', archived = '0', category = category, topic = topic,
  }
  redis.call('HSET', user .. ITEMS, id, content)
  redis.call('HSET', user .. STATES, id, pack_state(state))
  for _, key in ipairs(index_keys(user, 0, category, topic)) do
    redis.call('ZADD', key, integer(offset + 1), id)
  end
  append(user, context, 'notifications/new', item_data_json(content, state, recipient_json(user), ''))
  return 1
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  id transition_code event_name client_id_json
-- ->    1 changed, 0 it was so already, -1 no such item
local function change(keys, args)
  local user, context = keys[1], context_of(args)
  local id, code, name, client_id = args[5], args[6], args[7], args[8]
  local packed = redis.call('HGET', user .. STATES, id)
  if not packed then return -1 end
  local state = unpack_state(packed)
  local from = bucket_of(state)
  apply(state, code, now_seconds(context))
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
  local content = redis.call('HGET', user .. ITEMS, id)
  append(user, context, name, item_data_json(content, state, recipient_json(user), client_id))
  return 1
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  id client_id_json
-- ->    1 deleted, -1 no such item
local function delete(keys, args)
  local user, context = keys[1], context_of(args)
  local id, client_id = args[5], args[6]
  local packed = redis.call('HGET', user .. STATES, id)
  if not packed then return -1 end
  local state = unpack_state(packed)
  local content = redis.call('HGET', user .. ITEMS, id)
  for _, key in ipairs(index_keys(user, bucket_of(state), state.category, state.topic)) do
    redis.call('ZREM', key, id)
  end
  redis.call('HDEL', user .. ITEMS, id)
  redis.call('HDEL', user .. STATES, id)
  append(user, context, 'notifications/delete', item_data_json(content, state, recipient_json(user), client_id))
  return 1
end

local function in_chunks(command, key, values, width)
  local step = width * math.floor(CHUNK / width)
  for first = 1, #values, step do
    redis.call(command, key, unpack(values, first, math.min(first + step - 1, #values)))
  end
end

local function push(lists, key, ...)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  for _, value in ipairs({ ... }) do list[#list + 1] = value end
end

-- Move every item of one index key to what the transition makes of it, all its indexes with it.
local function change_bucket(user, key, code, now)
  local members = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  local states, removed, added = {}, {}, {}
  for first = 1, #members, 2 * CHUNK do
    local ids = {}
    for i = first, math.min(first + 2 * CHUNK - 1, #members), 2 do ids[#ids + 1] = members[i] end
    for i, packed in ipairs(redis.call('HMGET', user .. STATES, unpack(ids))) do
      local id, score, state = ids[i], members[first + 2 * i - 1], unpack_state(packed)
      local source = index_keys(user, bucket_of(state), state.category, state.topic)
      apply(state, code, now)
      local target = index_keys(user, bucket_of(state), state.category, state.topic)
      states[#states + 1] = id
      states[#states + 1] = pack_state(state)
      for j = 1, #source do
        push(removed, source[j], id)
        push(added, target[j], score, id)
      end
    end
  end
  in_chunks('HSET', user .. STATES, states, 2)
  for index, ids in pairs(removed) do in_chunks('ZREM', index, ids, 1) end
  for index, pairs_of in pairs(added) do in_chunks('ZADD', index, pairs_of, 2) end
  return #members / 2
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  transition_code event_name data_json buckets
--       number of categories, category …, number of topics, topic …
-- ->    how many items changed; none changed, no event
local function change_all(keys, args)
  local user, context = keys[1], context_of(args)
  local code, name, data = args[5], args[6], args[7]
  local now, changed = now_seconds(context), 0
  local scope = scope_of(user, args, 9)
  for bucket in args[8]:gmatch('%d') do
    local probe = { sent = '1', seen = '0', read = '0', archived = '0', category = '', topic = '' }
    if is_set(bucket, 1) then probe.seen = '1' end
    if is_set(bucket, 2) then probe.read = '1' end
    if is_set(bucket, 4) then probe.archived = '1' end
    apply(probe, code, '1')
    if bucket_of(probe) ~= tonumber(bucket) then
      for _, key in ipairs(scope(bucket)) do
        changed = changed + change_bucket(user, key, code, now)
      end
    end
  end
  if changed > 0 then append(user, context, name, data) end
  return changed
end
