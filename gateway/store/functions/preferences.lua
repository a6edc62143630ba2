-- What a user wants to be told, and on which devices. domain/preferences.py has the rules; here they are compared.

-- What the user said about a topic's category, ["1" subscribed or "0" not, reason]; or nil
local function word_about(user, category, topic)
  local packed = topic ~= '' and call('HGET', user .. SUBSCRIPTIONS, topic)
  if not packed then return nil end
  local subscriptions = cjson.decode(packed)
  return subscriptions[category] or subscriptions['*']
end

-- Whether the user keeps a notification of this category and topic out of the inbox.
local function is_muted(user, category, topic)
  local preference = call('HGET', user .. PREFERENCES, category)
  if preference and preference:sub(1, 1) == '0' then return true end
  local word = word_about(user, category, topic)
  return word ~= nil and word[1] == '0'
end

-- Whether the user asked for notifications of this category and topic.
local function is_subscribed(user, category, topic)
  local word = word_about(user, category, topic)
  return word ~= nil and word[1] == '1'
end

-- KEYS  user
-- ->    category, channels (1 on, 0 off), …
local function read_preferences(keys)
  return call('HGETALL', keys[1] .. PREFERENCES)
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  max_categories event_name client_id_json
--       number of channels, for each: its JSON up to the value of "enabled"
--       for each category: name, switches (1 on, 0 off, - as it is), its JSON up to the list of channels
-- ->    all as read_preferences gives them; or -1 when these would be too many, and then nothing was written
-- Channels that are switched make one event; what was so already makes none.
local function set_preferences(keys, args, record)
  local key, context = keys[1] .. PREFERENCES, context_of(args)
  local max_categories, name, client_id, channels = tonumber(args[5]), args[6], args[7], tonumber(args[8])
  local first, all_on = 9 + channels, string.rep('1', channels)
  local before, added = {}, 0
  for i = first, #args, 3 do
    before[i] = call('HGET', key, args[i])
    if not before[i] then added = added + 1 end
  end
  if added > 0 and call('HLEN', key) + added > max_categories then return -1 end

  local changed, rewritten = {}, {}
  for i = first, #args, 3 do
    local known = before[i] or ''
    known = known .. all_on:sub(#known + 1)
    local switched, listed = {}, {}
    for channel = 1, channels do
      local switch = args[i + 1]:sub(channel, channel)
      if switch == '-' then switch = known:sub(channel, channel) end
      switched[channel] = switch
      listed[channel] = args[8 + channel] .. (switch == '1' and 'true}' or 'false}')
    end
    local code = table.concat(switched)
    if code ~= before[i] then rewritten[#rewritten + 1], rewritten[#rewritten + 2] = args[i], code end
    if code ~= known then
      changed[#changed + 1] = args[i + 2] .. '[' .. table.concat(listed, ',') .. ']}'
    end
  end
  if #rewritten > 0 then begin_record(keys[1], record) end
  set_fields(key, rewritten)
  local all = call('HGETALL', key)
  if #changed > 0 then
    append(keys[1], record, context, name, table.concat({
      '{"notification_preferences":{"categories":[', table.concat(changed, ','), ']}',
      client_id ~= '' and ',"client_id":' or '', client_id, '}',
    }))
  end
  return all
end

-- KEYS  user
-- ARGV  topic, or nothing for all
-- ->    topic, JSON {category: [1 subscribed or 0 not, reason]}, …
local function read_subscriptions(keys, args)
  if not args[1] then return call('HGETALL', keys[1] .. SUBSCRIPTIONS) end
  local packed = call('HGET', keys[1] .. SUBSCRIPTIONS, args[1])
  return packed and { args[1], packed } or {}
end

-- KEYS  user
-- ARGV  topic, 1 subscribe or 0 unsubscribe, max_topics, max_categories of a topic, max_bytes of a topic, and of all
--       for each category: name, reason ("" leaves the one there is)
-- ->    JSON {category: [status, reason]}; or -1 too many topics, -2 too many categories, -3 too many bytes in the topic,
--       -4 too many bytes in all, and then nothing was written
local function set_subscriptions(keys, args, record)
  local user, key, topic, status = keys[1], keys[1] .. SUBSCRIPTIONS, args[1], args[2]
  local packed = call('HGET', key, topic)
  if not packed and call('HLEN', key) >= tonumber(args[3]) then return -1 end
  local subscriptions = packed and cjson.decode(packed) or {}
  for i = 7, #args, 2 do
    if args[i] == '*' then
      for _, known in pairs(subscriptions) do known[1] = status end
    end
  end
  for i = 7, #args, 2 do
    local known = subscriptions[args[i]]
    local reason = args[i + 1] ~= '' and args[i + 1] or known and known[2] or ''
    subscriptions[args[i]] = { status, reason }
  end
  local size = 0
  for _ in pairs(subscriptions) do size = size + 1 end
  if size > tonumber(args[4]) then return -2 end
  local before, after = packed and #topic + #packed or 0, cjson.encode(subscriptions)
  local bytes = call('HGET', user, 'subscription_bytes') or 0
  local grown = #topic + #after - before
  -- Whoever has too much already may still say no to all of a topic.
  if not (packed and status == '0' and #args == 8 and args[7] == '*') and grown > 0 then
    if #topic + #after > tonumber(args[5]) then return -3 end
    if bytes + grown > tonumber(args[6]) then return -4 end
  end
  begin_record(user, record)
  set_fields(user, { 'subscription_bytes', integer(bytes + grown) })
  call('HSET', key, topic, after)
  return after
end

-- KEYS  user
-- ARGV  topic
-- ->    1, or 0 when nothing was said about it
local function delete_subscriptions(keys, args)
  local user, topic = keys[1], args[1]
  local packed = call('HGET', user .. SUBSCRIPTIONS, topic)
  if not packed then return 0 end
  remove_fields(user .. SUBSCRIPTIONS, { topic })
  call('HINCRBY', user, 'subscription_bytes', -#topic - #packed)
  return 1
end

-- What a project sends, in its own slot.

-- KEYS  categories
local function read_categories(keys)
  return call('SMEMBERS', keys[1])
end

-- KEYS  categories
-- ARGV  category, max_categories
-- ->    1, or 0 when there are too many to take a new one
local function record_category(keys, args)
  if call('SISMEMBER', keys[1], args[1]) == 1 then return 1 end
  if call('SCARD', keys[1]) >= tonumber(args[2]) then return 0 end
  call('SADD', keys[1], args[1])
  return 1
end
