-- The integrations of a project, in its slot.

-- KEYS  integrations
-- ARGV  name before (the record as it was read; "" if there was none) record
-- ->    1, also if this record is saved already; 0 if it has changed since it was read
local function replace_integration(keys, args)
  local saved = call('HGET', keys[1], args[1]) or ''
  if saved == args[3] then return 1 end
  if saved ~= args[2] then return 0 end
  call('HSET', keys[1], args[1], args[3])
  return 1
end

-- KEYS  integrations
-- ARGV  name before (the record as it was read)
-- ->    1, or 0 if it has changed since it was read
local function delete_integration(keys, args)
  if call('HGET', keys[1], args[1]) ~= args[2] then return 0 end
  call('HDEL', keys[1], args[1])
  return 1
end

-- KEYS  user
-- ARGV  name before (the record as it was read; "" if there was none) record max_installations
-- ->    1, also if this record is saved already; 0 if it has changed since it was read; -1 if there are too many
local function replace_installation(keys, args, record)
  local key = keys[1] .. INSTALLATIONS
  local saved = call('HGET', key, args[1]) or ''
  if saved == args[3] then return 1 end
  if saved ~= args[2] then return 0 end
  if saved == '' and call('HLEN', key) >= tonumber(args[4]) then return -1 end
  write_format(keys[1], record)
  call('HSET', key, args[1], args[3])
  return 1
end

-- KEYS  user
-- ARGV  name
-- ->    the record, or nothing
local function read_installation(keys, args)
  return call('HGET', keys[1] .. INSTALLATIONS, args[1])
end
