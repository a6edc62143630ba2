-- Profiles: the attributes in a user's record, JSON-encoded.

-- KEYS  user
-- ->    the attributes besides the names, JSON-encoded, false for each that is not set
local function read_profile(keys)
  return call('HMGET', keys[1], 'first_name', 'last_name', 'custom_attributes', 'phone_numbers')
end

-- KEYS  user
-- ARGV  fields… (name, JSON; "null" removes a field)
-- ->    as read_profile
local function set_profile(keys, args, record)
  local user, set, removed = keys[1], {}, {}
  for i = 1, #args, 2 do
    if args[i + 1] == 'null' then
      removed[#removed + 1] = args[i]
    else
      set[#set + 1], set[#set + 2] = args[i], args[i + 1]
    end
  end
  if #set > 0 and not record.format then set[#set + 1], set[#set + 2] = 'format', FORMAT end
  set_fields(user, set)
  remove_fields(user, removed)
  return read_profile(keys)
end
