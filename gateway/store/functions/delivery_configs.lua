-- The delivery configs of a project.

-- KEYS  delivery configs
-- ARGV  key config max_configs
-- ->    1, or 0 when there are too many to store a new one
local function put_delivery_config(keys, args)
  local is_new = call('HEXISTS', keys[1], args[1]) == 0
  if is_new and call('HLEN', keys[1]) >= tonumber(args[3]) then return 0 end
  call('HSET', keys[1], args[1], args[2])
  return 1
end

-- KEYS  delivery configs
-- ->    key, config, …
local function read_delivery_configs(keys)
  return call('HGETALL', keys[1])
end
