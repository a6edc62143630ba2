-- The categories that a project has sent.

-- KEYS  categories
-- ->    all of them, in no order
local function read_categories(keys)
  return call('SMEMBERS', keys[1])
end

-- KEYS  categories
-- ARGV  category max_categories
-- ->    1, or 0 when there are too many to record a new one
local function record_category(keys, args)
  if call('SISMEMBER', keys[1], args[1]) == 1 then return 1 end
  if call('SCARD', keys[1]) >= tonumber(args[2]) then return 0 end
  call('SADD', keys[1], args[1])
  return 1
end
