-- The functions of delivery workers on a user's outbox. outbox.lua describes what is stored.

local LARGE = 'large' -- what is to be taken alone
local FORMER_DEVICES_LEFT = 'former devices' -- as in channel_tokens.lua
local LEASE_FRACTION = '.5' -- what tells the end of a lease from a time at which an entry is due

local FREE = '-' -- in front of the last digits of the claim that held an entry, or alone
local DIGITS = 4

local deliveries = {
  recipient = { 'external_id', 'email', 'first_name', 'last_name', 'custom_attributes', 'phone_numbers' },
}

function deliveries.is_free(holder) return holder:sub(1, 1) == FREE end

-- ->    the claim that holds an entry, or FREE with the last digits of the one that held it; and its record ("" for none)
function deliveries.read(packed)
  if not packed then return FREE, '' end
  local space = packed:find(' ', 1, true)
  return packed:sub(1, space - 1), packed:sub(space + 1)
end

-- ->    the packed state, 1 if it is in the inbox or 0, and the content of a notification; nil if it is gone
function deliveries.notification(user, id)
  local state = call('HGET', user .. STATES, id)
  if state then return state, 1, content_or_reference(call('HGET', user .. ITEMS, id), id) end
  local unlisted = call('HGET', user .. DELIVERIES, id .. '=')
  if not unlisted then return nil end
  local length, rest = unlisted:match('^(%d+) (.*)$')
  return rest:sub(1, tonumber(length)), 0, rest:sub(tonumber(length) + 1)
end

-- state: as it is stored
-- ->    "" if the user's preferences and subscriptions allow a route, "p" or "u" if one of them does not
function deliveries.objection(user, state, content, route)
  local length, scope = state:match('^%d+ %d+ %d+ %d+ r?(%d+) (.*)$')
  local category, topic
  if length then
    category, topic = scope:sub(1, tonumber(length)), scope:sub(tonumber(length) + 1)
  else
    local found = state_by_content(content)
    category, topic = found.category, found.topic
  end
  local preference, place = call('HGET', user .. PREFERENCES, category), ROUTES[route][2]
  if preference and preference:sub(place, place) == '0' then return 'p' end
  local subscription = subscription_to(user, category, topic)
  return subscription and subscription[1] == '0' and 'u' or ''
end

-- ->    field and packed token of each live token of a kind
function deliveries.tokens(user, kind)
  local live, rows = {}, call('HGETALL', user .. CHANNEL_TOKENS .. kind)
  for i = 1, #rows, 2 do
    if rows[i + 1]:match('^%d+ %d+ %d+ 0 ') then live[#live + 1], live[#live + 2] = rows[i], rows[i + 1] end
  end
  return live
end

-- ->    when the first entry of a route is due in ms, "" if there is none
function deliveries.next_due(key)
  local score = call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  return score and integer(math.ceil(tonumber(score))) or ''
end

-- ->    id and score of the entries that a claim took until a time and has not recorded, up to a number
function deliveries.taken(user, key, route, claim, until_ms, limit)
  local mine, lease = {}, until_ms .. LEASE_FRACTION
  local leased = call('ZRANGE', key, lease, lease, 'BYSCORE', 'LIMIT', 0, limit)
  for _, id in ipairs(leased) do
    if deliveries.read(call('HGET', user .. DELIVERIES, id .. route)) == claim then
      mine[#mine + 1], mine[#mine + 2] = id, lease
    end
  end
  return mine
end

-- ->    id and score of the entries that are due, or if this claim has taken some already, because the call is repeated,
--       of these: nothing is known to have been sent of them, and nobody else would send them
function deliveries.due(user, key, route, claim, until_ms, limit)
  local mine = deliveries.taken(user, key, route, claim, until_ms, limit)
  if #mine > 0 then return mine end
  return call('ZRANGE', key, '-inf', integer(now_ms()), 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
end

-- Steps to undo what `hold` and `record_entries` write. Closures would cost more, and these run for every delivery.
function deliveries.restore_record(user, field, packed)
  if packed then try('HSET', user .. DELIVERIES, field, packed) else try('HDEL', user .. DELIVERIES, field) end
end

function deliveries.restore_due(key, score, id) try('ZADD', key, score, id) end

-- Note the claim on an entry, before anything is sent.
function deliveries.hold(user, key, route, claim, until_ms, id, score, packed, record)
  local field = id .. route
  call('HSET', user .. DELIVERIES, field, claim .. ' ' .. record)
  push_undo(deliveries.restore_record, user, field, packed)
  call('ZADD', key, until_ms .. LEASE_FRACTION, id)
  push_undo(deliveries.restore_due, key, score, id)
end

-- KEYS  user
-- ARGV  route claim lease_ms (until when) limit max_bytes (of the contents; 0 for one entry of any size)
-- ->    when the next entry is due in ms if none is due now ("" if there is none);
--       unread, unseen, unarchived unread, unarchived unseen; field, value, … of the user's record;
--       field and packed token of each live token; key and reason of each address that is suppressed; then of each entry
--       its id, when it was due, 1 if the claim that held it has reported nothing or 0, the record ("" for none), the
--       state, 1 if it is in the inbox or 0, the content, and "" or what the user objects (p preference, u subscription);
--       or LARGE if the content of the first one is larger, and nothing was taken
local function take_entries(keys, args, record)
  local user, route, claim, until_ms = keys[1], args[1], args[2], args[3]
  local key, kind = outbox.key(user, route), ROUTES[route][3]
  local due = deliveries.due(user, key, route, claim, until_ms, tonumber(args[4]))
  if #due == 0 then return { deliveries.next_due(key), {}, {}, {}, {} } end
  if kind ~= '' and call('EXISTS', user .. DEVICES) == 1 then return FORMER_DEVICES_LEFT end
  local counted, names = { 0, 0, 0, 0 }, {}
  if record.epoch then counted = { counts_after(user, record) } end
  for _, field in ipairs(deliveries.recipient) do
    if record[field] then names[#names + 1], names[#names + 2] = field, record[field] end
  end
  local tokens = kind ~= '' and deliveries.tokens(user, kind) or {}
  local suppressed = kind == '' and call('HGETALL', user .. SUPPRESSED) or {}
  local result, bytes, most = { '', counted, names, tokens, suppressed }, 0, tonumber(args[5])
  for i = 1, #due, 2 do
    local id, score = due[i], due[i + 1]
    local packed = call('HGET', user .. DELIVERIES, id .. route)
    local holder, before = deliveries.read(packed)
    local state, in_inbox, content = deliveries.notification(user, id)
    if not state then -- an older gateway removed the item
      remove_members(key, { id })
      remove_fields(user .. DELIVERIES, { id .. route, id .. '-' })
    else
      if holder ~= claim then
        if #result == 5 and most > 0 and #content > most then return LARGE end
        if #result > 5 and bytes + #content > most then break end
        deliveries.hold(user, key, route, claim, until_ms, id, score, packed, before)
      end
      -- The content of a broadcast is elsewhere, and may be large. So nothing follows it.
      bytes = bytes + (content:find('\0', 1, true) and most or #content)
      local objection = deliveries.objection(user, state, content, route)
      local was_lost = not deliveries.is_free(holder) and holder ~= claim and 1 or 0
      local n = #result
      result[n + 1], result[n + 2], result[n + 3], result[n + 4] = id, score, was_lost, before
      result[n + 5], result[n + 6], result[n + 7], result[n + 8] = state, in_inbox, content, objection
    end
  end
  if #result == 5 then result[1] = deliveries.next_due(key) end
  return result
end

-- KEYS  user
-- ARGV  route claim before_ms (until when the claim has held its entries) until_ms limit
-- ->    how many entries it holds longer now
local function extend_entries(keys, args)
  local user, route, key = keys[1], args[1], outbox.key(keys[1], args[1])
  local held = deliveries.taken(user, key, route, args[2], args[3], tonumber(args[5]))
  for i = 1, #held, 2 do add_member(key, args[4] .. LEASE_FRACTION, held[i]) end
  return #held / 2
end

-- Discard a token, unless it was registered again.
-- ->    whether it was live
function deliveries.discard(key, field, registered_ms, now)
  local packed = call('HGET', key, field)
  local claim, created, updated, json = (packed or ''):match('^(%d+) (%d+) (%d+) 0 (.*)$')
  if not claim or math.max(tonumber(created), tonumber(updated)) > tonumber(registered_ms) then return false end
  set_fields(key, { field, claim .. ' ' .. created .. ' ' .. updated .. ' ' .. now .. ' ' .. json })
  return true
end

-- Remove the content of a notification that is in no inbox when its last entry has ended.
function deliveries.drop_content(user, record, id)
  if call('HEXISTS', user .. DELIVERIES, id .. '=') == 0 then return end
  for route in (record.outbox or ''):gmatch('%l') do
    if call('ZSCORE', outbox.key(user, route), id) then return end
  end
  remove_fields(user .. DELIVERIES, { id .. '=' })
end

-- KEYS  user
-- ARGV  route claim now_ms #entries entries… (id, when it is due again in ms or "", its record)
--       #dead dead… (field and the ms of the registration of each token to discard)
--       suppressed… (key of each address, and the reason)
-- ->    when the next entry of the route is due in ms ("" if there is none), the places (from 0) of entries that another
--       claim holds or that are gone, and the fields of tokens that this call discarded
local function record_entries(keys, args, record)
  local user, route, claim, now = keys[1], args[1], args[2], args[3]
  local key, refused, discarded = outbox.key(user, route), {}, {}
  local dead, freed = 5 + 3 * tonumber(args[4]), FREE .. claim:sub(-DIGITS) .. ' '
  for i = 5, dead - 1, 3 do
    local id, due, field = args[i], args[i + 1], args[i] .. route
    local packed, score = call('HGET', user .. DELIVERIES, field), call('ZSCORE', key, id)
    if deliveries.read(packed) ~= claim or not score then
      -- A repetition of the call finds its own record.
      if packed ~= freed .. args[i + 2] then refused[#refused + 1] = (i - 5) / 3 end
    else
      call('HSET', user .. DELIVERIES, field, freed .. args[i + 2])
      push_undo(deliveries.restore_record, user, field, packed)
      if due ~= '' then call('ZADD', key, due, id) else call('ZREM', key, id) end
      push_undo(deliveries.restore_due, key, score, id)
      if due == '' then deliveries.drop_content(user, record, id) end
    end
  end
  local suppressed = dead + 1 + 2 * tonumber(args[dead])
  for i = dead + 1, suppressed - 1, 2 do
    local tokens = user .. CHANNEL_TOKENS .. ROUTES[route][3]
    if deliveries.discard(tokens, args[i], args[i + 1], now) then discarded[#discarded + 1] = args[i] end
  end
  for i = suppressed, #args, 2 do set_fields(user .. SUPPRESSED, { args[i], args[i + 1] }) end
  return { deliveries.next_due(key), refused, discarded }
end

-- KEYS  user
-- ARGV  item_id
-- ->    1 if it is in the inbox or 0, the routes that were left out with the reasons, the state and content if it is in no
--       inbox (else ""), then route, when it is due ("" if it is not), 1 if a claim holds it or 0, and record of each
--       entry; or nothing
local function read_entries(keys, args, record)
  local user, id = keys[1], args[1]
  local state, in_inbox, content = deliveries.notification(user, id)
  local result = { in_inbox or 0, call('HGET', user .. DELIVERIES, id .. '-') or '', '', '' }
  if in_inbox == 0 then result[3], result[4] = state, content end
  for route in (record.outbox or ''):gmatch('%l') do
    local packed, due = call('HGET', user .. DELIVERIES, id .. route), call('ZSCORE', outbox.key(user, route), id)
    if packed or due then
      local holder, known = deliveries.read(packed)
      result[#result + 1], result[#result + 2] = route, due and integer(math.ceil(tonumber(due))) or ''
      result[#result + 1], result[#result + 2] = deliveries.is_free(holder) and 0 or 1, known
    end
  end
  if not state and #result == 4 and result[2] == '' then return false end
  return result
end

-- KEYS  user
-- ARGV  item_id route before (the record that was read) after (the record to begin with)
-- ->    1 if the entry is due now, or 0 if it has changed, is being sent, or the notification is gone
local function retry_entry(keys, args)
  local user, id, route = keys[1], args[1], args[2]
  local key, field = outbox.key(user, route), args[1] .. args[2]
  local score = tonumber(call('ZSCORE', key, id) or nil)
  local packed = call('HGET', user .. DELIVERIES, field)
  local holder, before = deliveries.read(packed)
  if score and score % 1 ~= 0 or before ~= args[3] or not deliveries.is_free(holder) then return 0 end
  if not (score or packed) or not deliveries.notification(user, id) then return 0 end
  if packed then set_fields(user .. DELIVERIES, { field, FREE .. ' ' .. args[4] }) end
  add_member(key, integer(now_ms()), id)
  return 1
end

-- KEYS  user
-- ARGV  item_id after (the record of what is cancelled)
-- ->    how many entries were cancelled: those that no worker has taken
local function cancel_entries(keys, args, record)
  local user, id, count = keys[1], args[1], 0
  for route in (record.outbox or ''):gmatch('%l') do
    local key = outbox.key(user, route)
    local score = tonumber(call('ZSCORE', key, id) or nil)
    if score and score % 1 == 0 then
      set_fields(user .. DELIVERIES, { id .. route, FREE .. ' ' .. args[2] })
      remove_members(key, { id })
      count = count + 1
    end
  end
  if count > 0 then deliveries.drop_content(user, record, id) end
  return count
end
