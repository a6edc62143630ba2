-- Subscriptions: the categories of topics that a user subscribed to or unsubscribed from. The rules are those of
-- domain/preferences.py.

-- ->    the subscription that applies to a category of a topic, ["1" subscribed or "0" not, reason], or nil
local function subscription_to(user, category, topic)
  local packed = topic ~= '' and call('HGET', user .. SUBSCRIPTIONS, topic)
  if not packed then return nil end
  local subscriptions = cjson.decode(packed)
  return subscriptions[category] or subscriptions['*']
end

-- ->    whether the user subscribed to this category of the topic
local function is_subscribed(user, category, topic)
  local subscription = subscription_to(user, category, topic)
  return subscription ~= nil and subscription[1] == '1'
end

-- KEYS  user
-- ARGV  topics… (one, or none for all)
-- ->    topic, JSON {category: ["1" subscribed or "0" not, reason]}, …
local function read_subscriptions(keys, args)
  if not args[1] then return call('HGETALL', keys[1] .. SUBSCRIPTIONS) end
  local packed = call('HGET', keys[1] .. SUBSCRIPTIONS, args[1])
  return packed and { args[1], packed } or {}
end

-- KEYS  user
-- ARGV  topic status (1 to subscribe or 0 to unsubscribe)
--       max_topics max_categories (of a topic) max_topic_bytes max_bytes (of all topics)
--       categories… (name, and reason; "" keeps the present reason)
-- ->    JSON {category: [status, reason]}; or -1 too many topics, -2 too many categories, -3 too many bytes in the
--       topic, -4 too many bytes in all, and then nothing was written
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
  -- A user beyond a bound can still unsubscribe from all of a topic.
  if not (packed and status == '0' and #args == 8 and args[7] == '*') and grown > 0 then
    if #topic + #after > tonumber(args[5]) then return -3 end
    if bytes + grown > tonumber(args[6]) then return -4 end
  end
  write_format(user, record)
  set_fields(user, { 'subscription_bytes', integer(bytes + grown) })
  call('HSET', key, topic, after)
  return after
end

-- KEYS  user
-- ARGV  topic
-- ->    1, or 0 if there were no subscriptions to it
local function delete_subscriptions(keys, args)
  local user, topic = keys[1], args[1]
  local packed = call('HGET', user .. SUBSCRIPTIONS, topic)
  if not packed then return 0 end
  remove_fields(user .. SUBSCRIPTIONS, { topic })
  call('HINCRBY', user, 'subscription_bytes', -#topic - #packed)
  return 1
end
