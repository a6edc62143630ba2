-- The users active in a month: a HyperLogLog, in a project's slot, and one for all projects in a slot of its own.

-- KEYS  active users (of a month)
-- ARGV  keep_seconds user_ids…
-- ->    1
-- It needs no undo step, because repeating the call completes it.
local function add_active(keys, args)
  call('PFADD', keys[1], unpack(args, 2))
  call('EXPIRE', keys[1], args[1])
  return 1
end

-- KEYS  active users (of a month)
-- ->    how many, with a standard error of 0.81 %
local function count_active(keys)
  return call('PFCOUNT', keys[1])
end
