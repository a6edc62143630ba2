-- Copies of keys for a backup. What one call copies is as of one moment.

-- found: gets of each of the keys that exists its name, its type, the unix ms at which it expires or -1, and its value
-- (DUMP), or false if it has more than `most` entries
local function copy(found, names, most)
  local lengths = { hash = 'HLEN', zset = 'ZCARD', set = 'SCARD' }
  for _, key in ipairs(names) do
    local kind = call('TYPE', key).ok
    if kind ~= 'none' then
      local length = lengths[kind]
      found[#found + 1], found[#found + 2], found[#found + 3] = key, kind, call('PEXPIRETIME', key)
      found[#found + 1] = not (length and call(length, key) > most) and call('DUMP', key)
    end
  end
  return found
end

-- KEYS  any
-- ARGV  most_entries (of a key that is copied) names… (keys in the same slot)
-- ->    of each key that exists: name, type, unix ms at which it expires or -1, value or nothing
local function copy_keys(_, args)
  local most = tonumber(table.remove(args, 1)) -- `unpack` is bounded to some thousand values
  return copy({}, args, most)
end

-- KEYS  user
-- ->    nothing if there is no such user; otherwise 1 if the user has an event log or 0, the routes on which something
--       is due, then of each key of the user: name, "", unix ms at which it expires or -1, value
local function copy_user(keys)
  local user = keys[1]
  local field = call('HMGET', user, 'epoch', 'offset', 'webhooks_at', 'deleted', 'outbox')
  if field[4] or call('EXISTS', user) == 0 then return {} end -- deleted
  local names, routes = outbox.keys_of_user(user), ''
  for _, kind in ipairs(TOKEN_KINDS) do names[#names + 1] = user .. CHANNEL_TOKENS .. kind end
  for route in (field[5] or ''):gmatch('%l') do
    if call('EXISTS', outbox.key(user, route)) == 1 then routes = routes .. route end
  end
  if field[3] and tonumber(field[3]) < tonumber(field[2] or 0) then routes = routes .. 'w' end
  local found = { field[1] and 1 or 0, routes, user, '', call('PEXPIRETIME', user), call('DUMP', user) }
  for first = 1, #names, 8 do -- most of these keys do not exist
    local last = math.min(first + 7, #names)
    if call('EXISTS', unpack(names, first, last)) > 0 then
      for i = first, last do
        local value = call('DUMP', names[i])
        if value then
          found[#found + 1], found[#found + 2], found[#found + 3] = names[i], '', call('PEXPIRETIME', names[i])
          found[#found + 1] = value
        end
      end
    end
  end
  return found
end
