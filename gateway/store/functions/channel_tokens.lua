-- Channel tokens. Those of a user are in the user's slot, one hash per kind. The project's slot has the users who may
-- hold a token, the owner first. store/channel_tokens.py describes the order of the steps. A claim is a number that
-- grows with every registration. `revokes` is 1 for a kind whose tokens open live connections, which end with the token.

-- What a user's function replies while the user still has devices as gateways before channel tokens stored them.
local FORMER_DEVICES = 'former devices'

local function tokens_key(user, kind) return user .. CHANNEL_TOKENS .. kind end

-- ->    a stored token as a table; one that cannot be read is the oldest, and discarded
local function read_token(packed)
  local claim, created, updated, discarded, json = packed:match('^(%d+) (%d+) (%d+) (%d+) (.*)$')
  if not claim then return { claim = 0, created = '0', updated = '0', discarded = '1', json = '', is_broken = true } end
  return { claim = tonumber(claim), created = created, updated = updated, discarded = discarded, json = json }
end

local function load_token(key, field)
  local packed = call('HGET', key, field)
  return packed and read_token(packed) or nil
end

local function save_token(key, field, token)
  local parts = { integer(token.claim), token.created, token.updated, token.discarded, token.json }
  set_fields(key, { field, table.concat(parts, ' ') })
end

-- ->    the id with which live connections remember the token
local function connection_token(field)
  return 'in_app:' .. (field:gsub('.', function(byte) return ('%02x'):format(byte:byte()) end))
end

local function publish_revoked(user, field)
  call('SPUBLISH', user, '!revoked ' .. connection_token(field))
end

-- Make room for one more live token. The oldest live ones are discarded, and the discarded ones that are too many are
-- removed. Age is by claim: it depends on no clock.
-- ->    created and field of each token that was discarded; field and claim of each that was removed
local function make_room(key, field, now, max_live, max_discarded)
  if call('HLEN', key) < max_live then return {}, {} end
  local live, gone, rows = {}, {}, call('HGETALL', key)
  for i = 1, #rows, 2 do
    local token = read_token(rows[i + 1])
    token.field = rows[i]
    if token.field ~= field then table.insert(token.discarded == '0' and live or gone, token) end
  end
  local function older(a, b) return a.claim < b.claim end
  table.sort(live, older)
  local discarded, removed = {}, {}
  for i = 1, #live - max_live + 1 do
    live[i].discarded = now
    save_token(key, live[i].field, live[i])
    gone[#gone + 1] = live[i]
    discarded[#discarded + 1], discarded[#discarded + 2] = live[i].created, live[i].field
  end
  table.sort(gone, older)
  for i = 1, #gone - max_discarded do
    remove_fields(key, { gone[i].field })
    removed[#removed + 1], removed[#removed + 2] = gone[i].field, gone[i].claim
  end
  return discarded, removed
end

-- KEYS  user
-- ARGV  kind field claim now_ms token (as JSON) max_live max_discarded revokes former (the device that it was, or "")
-- ->    created and updated in ms; created and field of each token that was discarded to make room; field and claim of
--       each that was removed
-- A later registration by the same user is kept. One by which a discarded token becomes live again keeps its creation.
local function put_channel_token(keys, args, record)
  local user, field, now = keys[1], args[2], args[4]
  local key, claim = tokens_key(user, args[1]), tonumber(args[3])
  local known = load_token(key, field)
  if known and known.claim > claim then return { known.created, known.updated, {}, {} } end
  write_format(user, record)
  local discarded, removed = {}, {}
  if not known or known.discarded ~= '0' then
    discarded, removed = make_room(key, field, now, tonumber(args[6]), tonumber(args[7]))
  end
  local is_new = not known or known.is_broken
  local updated = is_new and '0' or known.claim == claim and known.updated or now
  local token = { claim = claim, created = is_new and now or known.created, updated = updated, discarded = '0' }
  token.json = args[5]
  save_token(key, field, token)
  if args[9] ~= '' then remove_fields(user .. DEVICES, { args[9] }) end
  if args[8] == '1' then
    for i = 2, #discarded, 2 do publish_revoked(user, discarded[i]) end
  end
  return { token.created, token.updated, discarded, removed }
end

-- KEYS  user
-- ARGV  kind field claim (the newest to remove) revokes former (the device that it was, or "")
-- ->    created of the token in ms, or 0 if there is none that was live
-- If publishing fails, the token is removed, but the call fails, and repeating it publishes again.
local function remove_channel_token(keys, args)
  local user, field, claim, former = keys[1], args[2], tonumber(args[3]), args[5]
  local known = load_token(tokens_key(user, args[1]), field)
  if known and known.claim > claim then return 0 end
  if known then remove_fields(tokens_key(user, args[1]), { field }) end
  local device = former ~= '' and call('HGET', user .. DEVICES, former)
  if device and tonumber(device:match('^%d+') or 0) <= claim then remove_fields(user .. DEVICES, { former }) end
  commit()
  if args[4] == '1' then publish_revoked(user, field) end
  return known and known.discarded == '0' and tonumber(known.created) or 0
end

-- KEYS  user
-- ARGV  kind field created_ms ("" for any) now_ms revokes
-- ->    when the token was discarded in ms, 1 if that was now or 0, and when it was created; nothing if there is none
-- If publishing fails, the token is discarded, but the call fails, and repeating it publishes again.
local function discard_channel_token(keys, args)
  local user, field, now = keys[1], args[2], args[4]
  if call('EXISTS', user .. DEVICES) == 1 then return FORMER_DEVICES end
  local key = tokens_key(user, args[1])
  local token = load_token(key, field)
  if not token or token.is_broken or args[3] ~= '' and args[3] ~= token.created then return false end
  local is_new = token.discarded == '0'
  if is_new then
    token.discarded = now
    save_token(key, field, token)
  end
  commit()
  if args[5] == '1' then publish_revoked(user, field) end
  return { token.discarded, is_new and 1 or 0, token.created }
end

-- KEYS  user
-- ARGV  kind field
-- ->    the token as stored, or nothing
local function get_channel_token(keys, args)
  if call('EXISTS', keys[1] .. DEVICES) == 1 then return FORMER_DEVICES end
  return call('HGET', tokens_key(keys[1], args[1]), args[2])
end

-- KEYS  user
-- ARGV  kind live_only (1 or 0) size way ("after", "before" or "") cursor (15 digits of ms, then a field)
-- ->    1 if there are newer tokens or 0, 1 if there are older ones or 0, then field and token as stored of each, newest
--       first; one that cannot be read is left out
local function list_channel_tokens(keys, args)
  if call('EXISTS', keys[1] .. DEVICES) == 1 then return FORMER_DEVICES end
  local size, way, from = tonumber(args[3]), args[4], args[5]
  local rows, places, row_at = call('HGETALL', tokens_key(keys[1], args[1])), {}, {}
  for i = 1, #rows, 2 do
    local created, discarded = rows[i + 1]:match('^%d+ (%d+) %d+ (%d+) ')
    if created and (args[2] == '0' or discarded == '0') then
      local place = ('0'):rep(15 - #created) .. created .. rows[i]
      places[#places + 1], row_at[place] = place, i
    end
  end
  table.sort(places) -- oldest first
  local newest, oldest = #places, math.max(1, #places - size + 1)
  if way == 'after' then
    while newest > 0 and places[newest] >= from do newest = newest - 1 end
    oldest = math.max(1, newest - size + 1)
  elseif way == 'before' then
    oldest = #places + 1
    while oldest > 1 and places[oldest - 1] > from do oldest = oldest - 1 end
    newest = math.min(#places, oldest + size - 1)
  end
  local result = { newest < #places and 1 or 0, oldest > 1 and 1 or 0 }
  for i = newest, oldest, -1 do
    local row = row_at[places[i]]
    result[#result + 1], result[#result + 2] = rows[row], rows[row + 1]
  end
  return result
end

-- KEYS  user
-- ->    token and `claim registered_ms json` of each device that a gateway before channel tokens stored
local function read_former_devices(keys)
  return call('HGETALL', keys[1] .. DEVICES)
end

-- ->    { user id, claim } of each user who may hold a token, the owner first; empty if the record cannot be read
local function holders_of(key, field)
  local packed = call('HGET', key, field)
  local readable, holders = pcall(cjson.decode, packed or '[]')
  if not readable or type(holders) ~= 'table' then return {} end
  for _, holder in ipairs(holders) do
    if type(holder) ~= 'table' or type(holder[1]) ~= 'string' or type(holder[2]) ~= 'number' then return {} end
  end
  return holders
end

-- Count the claim among those whose kind is recorded, unless an older gateway has counted none of an earlier one.
-- ->    1 if it is the first of its kind, or 0
local function count_kind(key, kind, claim)
  local counted = call('HMGET', key, '', kind)
  local fields = counted[2] and {} or { kind, '1' }
  if tonumber(counted[1] or 0) == claim - 1 then fields[#fields + 1], fields[#fields + 2] = '', integer(claim) end
  set_fields(key, fields)
  return counted[2] and 0 or 1
end

-- KEYS  holders
-- ARGV  field user_id former (the device that it was, or "") kind
-- ->    claim, 1 if it is the first of its kind or 0, then the id of every other user who may hold the token or the device
local function claim_channel_token(keys, args)
  local field, user, former = args[1], args[2], args[3]
  local claim = tonumber(call('HGET', keys[1], '') or 0) + 1 -- no field is empty
  local is_first = count_kind(keys[1] .. REGISTERED, args[4], claim)
  local holders, others, seen = { { user, claim } }, { claim, is_first }, { [user] = true }
  for _, name in ipairs(former ~= '' and { field, former } or { field }) do
    for _, holder in ipairs(holders_of(keys[1], name)) do
      if not seen[holder[1]] then
        seen[holder[1]] = true
        holders[#holders + 1] = holder
        others[#others + 1] = holder[1]
      end
    end
  end
  call('HSET', keys[1], '', integer(claim), field, cjson.encode(holders))
  return others
end

-- KEYS  holders
-- ARGV  field user_id former (the device that it was, or "")
-- ->    1 when the user is still the owner, and the only holder from now on; or 0
local function confirm_channel_token(keys, args)
  local owner = holders_of(keys[1], args[1])[1]
  if not owner or owner[1] ~= args[2] then return 0 end
  set_fields(keys[1], { args[1], cjson.encode({ owner }) })
  if args[3] ~= '' then remove_fields(keys[1], { args[3] }) end
  return 1
end

-- KEYS  holders
-- ARGV  field user_id claim
-- ->    1
-- Remove the user from the holders of the token, unless it was registered again after that claim.
local function release_channel_token(keys, args)
  local left = {}
  for _, holder in ipairs(holders_of(keys[1], args[1])) do
    if holder[1] ~= args[2] or holder[2] > tonumber(args[3]) then left[#left + 1] = holder end
  end
  if #left > 0 then
    call('HSET', keys[1], args[1], cjson.encode(left))
  else
    call('HDEL', keys[1], args[1])
  end
  return 1
end

-- KEYS  holders
-- ARGV  field
-- ->    the id of the owner, or nothing
local function channel_token_owner(keys, args)
  local owner = holders_of(keys[1], args[1])[1]
  return owner and owner[1] or false
end
