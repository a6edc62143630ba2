-- Contents that many items share, each in a slot of its own, and the set of their ids in the project's slot. A content
-- begins with its format. So do the overrides of a notification, which are beside its content.

-- KEYS  content
-- ARGV  rest (of the content, after its id)
-- ->    1
local function put_content(keys, args)
  call('SET', keys[1], FORMAT .. args[1])
  return 1
end

-- KEYS  content
-- ->    the content after its id, or false
local function read_content(keys)
  local content = call('GET', keys[1])
  if not content then return false end
  if content:sub(1, #FORMAT) ~= FORMAT then fail_by_format('a content') end
  return content:sub(#FORMAT + 1)
end

-- KEYS  content
-- ->    1, or 0 if it did not exist
local function delete_content(keys)
  return call('UNLINK', keys[1])
end

-- KEYS  contents
-- ARGV  content_id (16 bytes)
-- ->    1, or 0 if it was listed already
local function list_content(keys, args)
  return call('SADD', keys[1], args[1])
end

-- KEYS  contents
-- ->    up to 500 ids, in no order
local function listed_contents(keys)
  return call('SRANDMEMBER', keys[1], 500)
end

-- KEYS  contents
-- ARGV  content_ids…
-- ->    how many were listed
local function unlist_contents(keys, args)
  return call('SREM', keys[1], unpack(args))
end

-- KEYS  overrides
-- ARGV  overrides (JSON) keep_seconds
-- ->    1
local function put_overrides(keys, args)
  call('SET', keys[1], FORMAT .. args[1], 'EX', args[2])
  return 1
end

-- KEYS  overrides
-- ->    the overrides, or false
local function read_overrides(keys)
  local overrides = call('GET', keys[1])
  if not overrides then return false end
  if overrides:sub(1, #FORMAT) ~= FORMAT then fail_by_format('overrides') end
  return overrides:sub(#FORMAT + 1)
end
