-- Who came in a month: a HyperLogLog, in a project's own slot or in that of all.

-- KEYS  active users of a month
-- ARGV  seconds to keep it, user id …
-- Repeating it completes it.
local function add_active(keys, args)
  call('PFADD', keys[1], unpack(args, 2))
  call('EXPIRE', keys[1], args[1])
  return 1
end

-- KEYS  active users of a month
-- ->    how many, more or less 0.81 %
local function count_active(keys)
  return call('PFCOUNT', keys[1])
end
