-- Contents that many items share, each in a slot of its own, and in the project's slot the list of their ids. A content
-- begins with its format.

-- KEYS  content
-- ARGV  the content after its id
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
local function delete_content(keys)
  return call('UNLINK', keys[1])
end

-- KEYS  contents
-- ARGV  id
local function list_content(keys, args)
  return call('SADD', keys[1], args[1])
end

-- KEYS  contents
-- ->    some ids; none if there are none
local function listed_contents(keys)
  return call('SRANDMEMBER', keys[1], 500)
end

-- KEYS  contents
-- ARGV  id …
local function unlist_contents(keys, args)
  return call('SREM', keys[1], unpack(args))
end
