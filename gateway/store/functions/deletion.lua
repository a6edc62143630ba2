-- Deleting a user.

-- It is in a table, because backup.lua uses it as well.
-- ->    the keys that a user may have, except the record, those of channel tokens, and those that expire within a day
function outbox.keys_of_user(user)
  local categories, found = {}, {}
  for _, packed in ipairs(call('HVALS', user .. STATES)) do
    local scope = packed:match('^%d+ %d+ %d+ %d+ (.*)$')
    if scope then categories[read_scope(scope)] = true end
  end
  for _, bucket in ipairs(BUCKETS) do
    found[#found + 1], found[#found + 2] = inbox_key(user, bucket), topics_key(user, bucket)
    for category in pairs(categories) do found[#found + 1] = category_key(user, bucket, category) end
  end
  for route in pairs(ROUTES) do found[#found + 1] = outbox.key(user, route) end
  for _, suffix in ipairs(USER_KEYS) do found[#found + 1] = user .. suffix end
  return found
end

-- KEYS  user
-- ARGV  tombstone_seconds (how long the field `deleted` is kept)
-- ->    the topics of its subscriptions, and the names of its channel tokens in the project's slot
-- Remove everything of a user except the field `deleted`, and publish that to the nodes that hold its connections. If
-- publishing fails, the user is deleted, but the call fails, and repeating it publishes again.
local function delete_user(keys, args)
  local user = keys[1]
  local doomed, tokens = outbox.keys_of_user(user), call('HKEYS', user .. DEVICES)
  for _, kind in ipairs(TOKEN_KINDS) do
    local key = user .. CHANNEL_TOKENS .. kind
    doomed[#doomed + 1] = key
    for _, field in ipairs(call('HKEYS', key)) do tokens[#tokens + 1] = field end
  end
  local left_elsewhere = { call('HKEYS', user .. SUBSCRIPTIONS), tokens }
  local fields = call('HKEYS', user)
  set_fields(user, { 'deleted', '1' })
  expire('EXPIRE', user, args[1])
  for i = #fields, 1, -1 do
    if fields[i] == 'deleted' then table.remove(fields, i) end
  end
  remove_fields(user, fields)
  for first = 1, #doomed, CHUNK do
    call('UNLINK', unpack(doomed, first, math.min(first + CHUNK - 1, #doomed)))
    commit()
  end
  call('SPUBLISH', user, '!deleted')
  return left_elsewhere
end
