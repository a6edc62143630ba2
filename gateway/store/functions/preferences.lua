-- Preferences: the channels that a category may use. The rules are those of domain/preferences.py.

-- ->    whether preferences or subscriptions exclude notifications of this category and topic from the inbox, and whether
--       it is the preference
local function is_muted(user, category, topic)
  local preference = call('HGET', user .. PREFERENCES, category)
  if preference and preference:sub(1, 1) == '0' then return true, true end
  local subscription = subscription_to(user, category, topic)
  return subscription ~= nil and subscription[1] == '0'
end

-- KEYS  user
-- ->    category, channels (1 on, 0 off), …
local function read_preferences(keys)
  return call('HGETALL', keys[1] .. PREFERENCES)
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  max_categories event_name client_id (JSON or "")
--       v1_channels (how many channels v1 has, the first ones)
--       #channels channels… (the JSON of each up to the value of "enabled")
--       categories… (name, switches (1 on, 0 off, - as it is), its JSON up to the list of channels)
-- ->    all preferences, as read_preferences; or -1 if there would be too many categories, and then nothing was written
-- All channels whose setting changes make one event. If none does, there is no event. Channels that v1 does not have are
-- stored only up to the last one that is off, and are in the event only if they are or were off: gateways and clients of
-- before these channels understand both.
local function set_preferences(keys, args, record)
  local key, context = keys[1] .. PREFERENCES, context_of(args)
  local max_categories, name, client_id, channels = tonumber(args[5]), args[6], args[7], tonumber(args[9])
  local v1_channels, first, all_on = tonumber(args[8]), 10 + channels, string.rep('1', channels)
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
      local switch, was = args[i + 1]:sub(channel, channel), known:sub(channel, channel)
      if switch == '-' then switch = was end
      switched[channel] = switch
      if channel <= v1_channels or switch == '0' or was == '0' then
        listed[#listed + 1] = args[9 + channel] .. (switch == '1' and 'true}' or 'false}')
      end
    end
    local code = table.concat(switched)
    local stored = code:sub(1, v1_channels) .. code:sub(v1_channels + 1):gsub('1+$', '')
    if stored ~= before[i] then rewritten[#rewritten + 1], rewritten[#rewritten + 2] = args[i], stored end
    if code ~= known then
      changed[#changed + 1] = args[i + 2] .. '[' .. table.concat(listed, ',') .. ']}'
    end
  end
  if #rewritten > 0 then write_format(keys[1], record) end
  set_fields(key, rewritten)
  local all = call('HGETALL', key)
  if #changed > 0 then
    local data = table.concat({
      '{"notification_preferences":{"categories":[', table.concat(changed, ','), ']}',
      client_id ~= '' and ',"client_id":' or '', client_id, '}',
    })
    append(keys[1], record, context, name, '', data, counts(keys[1]))
  end
  return all
end
