-- The users active in a month: a HyperLogLog, in a project's slot, and one for all projects in a slot of its own. And
-- when a user was last seen, in the user's record.

-- KEYS  active users (of a month)
-- ARGV  keep_seconds user_ids…
-- ->    1
-- It needs no undo step, because repeating the call completes it.
local function add_active(keys, args)
  call('PFADD', keys[1], unpack(args, 2))
  call('EXPIRE', keys[1], args[1])
  return 1
end

-- KEYS  user
-- ARGV  second
-- ->    1, or 0 if the user is deleted
local function note_seen(keys, args)
  local user = keys[1]
  local record, is_deleted = read_record(user)
  if is_deleted then return 0 end
  if not is_seen_later(record, args[1]) then return 1 end
  if record.format then
    call('HSET', user, 'seen_at', args[1])
  else
    call('HSET', user, 'seen_at', args[1], 'format', FORMAT)
  end
  return 1
end

-- KEYS  active users (of a month)
-- ->    how many, with a standard error of 0.81 %
local function count_active(keys)
  return call('PFCOUNT', keys[1])
end
