-- Lists of a project's users: pages of the user index by cursor, and what users' own records have for them.

local PLACES_PER_READ = 1000

-- Append to `found` the users { id, place } at places from `place` on, as far as one part of the index reaches.
-- step: 1 or -1
-- ->    the next place
local function find_users(directory, place, step, limit, most, found)
  local part = math.floor(place / INDEX_PART)
  local first, last = place, place
  if step == 1 then
    last = math.min(place + limit - 1, (part + 1) * INDEX_PART - 1)
  else
    first = math.max(place - limit + 1, part * INDEX_PART)
  end
  local from, to = first % INDEX_PART * 16, last % INDEX_PART * 16 + 15
  local packed = call('GETRANGE', directory .. USER_INDEX .. integer(part), integer(from), integer(to))
  while place >= first and place <= last and #found < most do
    local at = (place - first) * 16
    local id = packed:sub(at + 1, at + 16)
    if #id == 16 and id ~= NO_USER then found[#found + 1] = { id, place } end
    place = place + step
  end
  return place
end

-- KEYS  directory
-- ARGV  size scanned (the most places to read)  way ("after" for older users, "before" for newer ones, "" for the newest)
--       user_id (of the cursor) place (of the cursor, or "" to look it up)
-- ->    1 if there may be newer users than those that were read or 0, the same of older ones, the place that was read
--       last, then { user id, external_id, email, place } of each user, newest first; or nothing, if the cursor's user
--       does not exist
local function list_users(keys, args)
  local directory, size, left, way, place = keys[1], tonumber(args[1]), tonumber(args[2]), args[3], tonumber(args[5])
  local count = user_count_of(call('HGET', directory, 'n'))
  local step = way == 'before' and 1 or -1
  if way ~= '' and not place then
    local raw = call('HGET', directory, 'u:' .. args[4])
    place = raw and read_user_or_fail(args[4], raw).n
    if not place then return {} end
  end
  local begin = way == '' and count - 1 or place + step
  if step == -1 then begin = math.min(begin, count - 1) end
  local found, index = {}, begin
  while #found < size and left > 0 and index >= 0 and index < count do
    local limit = math.min(left, PLACES_PER_READ)
    local next_index = find_users(directory, index, step, limit, size, found)
    left, index = left - math.abs(next_index - index), next_index
  end
  local ends = { step == 1 and begin > 0, step == 1 and index < count or step == -1 and begin < count - 1 }
  if step == -1 then ends[1] = index >= 0 end
  local result = { ends[2] and 1 or 0, ends[1] and 1 or 0, index - step }
  local fields = {}
  for i = 1, #found do fields[i] = 'u:' .. unpacked_id(found[i][1]) end
  if #fields == 0 then return result end
  local records = call('HMGET', directory, unpack(fields))
  for i = 1, #found do
    local at = step == 1 and #found + 1 - i or i
    local user = records[at] and read_user(records[at])
    if user then result[#result + 1] = { fields[at]:sub(3), user.x, user.e, found[at][2] } end
  end
  return result
end

-- KEYS  directory
-- ARGV  user_ids…
-- ->    when each user was created, in seconds, false if that is not known
local function read_created(keys, args)
  local fields, result = {}, {}
  for i, id in ipairs(args) do fields[i] = 'u:' .. id end
  for i, raw in ipairs(call('HMGET', keys[1], unpack(fields))) do
    local user = raw and read_user(raw)
    result[i] = user and user.c and integer(user.c) or false
  end
  return result
end

-- KEYS  user
-- ->    the attributes as read_profile, when the user was last seen, and when the newest notification was sent, false
--       for each that is not set
local function read_summary(keys)
  return call('HMGET', keys[1], 'first_name', 'last_name', 'custom_attributes', 'phone_numbers', 'seen_at', 'sent_at')
end
