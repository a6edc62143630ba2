-- Devices. Each is stored in its user's slot. The project's slot has the users who may hold it, the owner first.
-- store/devices.py describes the order of the steps. A claim is a number that grows with every registration.

-- packed: a device as stored
-- ->    its claim; 0 for one that cannot be read, which makes it the oldest
local function claim_of(packed)
  return tonumber(packed:match('^%d+')) or 0
end

-- KEYS  user
-- ARGV  token claim now_ms device (as JSON) max_devices
-- ->    1; 0 if a later registration by the same user is stored already; or token and claim of a removed device
-- If there are too many devices, the one with the smallest claim is removed. It was registered first; claims depend on
-- no clock.
local function put_device(keys, args, record)
  local key, token = keys[1] .. DEVICES, args[1]
  local known = call('HGET', key, token)
  if known and claim_of(known) > tonumber(args[2]) then return 0 end
  local oldest, oldest_claim
  if not known and call('HLEN', key) >= tonumber(args[5]) then
    local devices = call('HGETALL', key)
    for i = 1, #devices, 2 do
      local claim = claim_of(devices[i + 1])
      if not oldest or claim < oldest_claim then oldest, oldest_claim = devices[i], claim end
    end
  end
  write_format(keys[1], record)
  set_fields(key, { token, table.concat({ args[2], args[3], args[4] }, ' ') })
  if not oldest then return 1 end
  call('HDEL', key, oldest)
  return { oldest, oldest_claim }
end

-- KEYS  user
-- ARGV  token claim (the newest to remove; "" for any)
-- ->    the claim of the removed device, or -1 if there is none
local function remove_device(keys, args)
  local known = call('HGET', keys[1] .. DEVICES, args[1])
  if not known then return -1 end
  local claim = claim_of(known)
  if args[2] ~= '' and claim > tonumber(args[2]) then return -1 end
  call('HDEL', keys[1] .. DEVICES, args[1])
  return claim
end

-- ->    { user id, claim } of each user who may hold a device, the owner first; empty if the record cannot be read
local function holders_of(key, token)
  local packed = call('HGET', key, token)
  local readable, holders = pcall(cjson.decode, packed or '[]')
  if not readable or type(holders) ~= 'table' then return {} end
  for _, holder in ipairs(holders) do
    if type(holder) ~= 'table' or type(holder[1]) ~= 'string' or type(holder[2]) ~= 'number' then return {} end
  end
  return holders
end

-- KEYS  holders
-- ARGV  token user_id
-- ->    claim, then the id of every other user who may hold the device
local function claim_device(keys, args)
  local token, user = args[1], args[2]
  local claim = tonumber(call('HGET', keys[1], '') or 0) + 1 -- no token is empty
  local holders, others = { { user, claim } }, { claim }
  for _, holder in ipairs(holders_of(keys[1], token)) do
    if holder[1] ~= user then
      holders[#holders + 1] = holder
      others[#others + 1] = holder[1]
    end
  end
  call('HSET', keys[1], '', integer(claim), token, cjson.encode(holders))
  return others
end

-- KEYS  holders
-- ARGV  token user_id
-- ->    1 when the user is still the owner, and the only holder from now on; or 0
local function confirm_device(keys, args)
  local owner = holders_of(keys[1], args[1])[1]
  if not owner or owner[1] ~= args[2] then return 0 end
  call('HSET', keys[1], args[1], cjson.encode({ owner }))
  return 1
end

-- KEYS  holders
-- ARGV  token user_id claim
-- ->    1
-- Remove the user from the holders of the device, unless it was registered again after that claim.
local function release_device(keys, args)
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
