-- The user index, which has the users of a project in the order of their creation, and the subscribers of a topic,
-- which are the users who may be subscribed to it. Both are beside the directory. The place of a user in the index is
-- `n` of its record `u:<id>`. It is assigned once, and never to another user.

local INDEX_PART = 65536 -- users per string of 16 bytes each: 1 MB
local NO_USER = ('\0'):rep(16)

local function packed_id(id) -- five numbers are converted in a third of the time of 16 bytes
  local a, b, c, d, e = id:match('^(%x+)-(%x+)-(%x+)-(%x+)-(%x+)$')
  return struct.pack('>I4I2I2I2I6', tonumber(a, 16), tonumber(b, 16), tonumber(c, 16), tonumber(d, 16), tonumber(e, 16))
end

local function write_user_index(directory, index, packed)
  local part = directory .. USER_INDEX .. integer(math.floor(index / INDEX_PART))
  write_range(part, index % INDEX_PART * 16, packed)
end

-- value: the field `n` of the directory
-- ->    how many users the project ever had
local function user_count_of(value)
  return tonumber((value or '0'):match('^%d+$')) or fail_by_data('the size of a project')
end

-- before: the values of `n` and `format`
local function restore_user_count(directory, before)
  if before[1] then try('HSET', directory, 'n', before[1], 'format', before[2] or FORMAT)
  else try('HDEL', directory, 'n', 'format') end
end

-- Assign the next places in the index to new users. The caller writes their records. With the first user of a project,
-- the format of the directory is written.
-- users: by id
local function append_to_user_index(directory, ids, users)
  if #ids == 0 then return end
  local known = call('HMGET', directory, 'n', 'format')
  if known[2] ~= FORMAT and (known[1] or known[2]) then fail_by_format('the directory of a project', known[2]) end
  local first = user_count_of(known[1])
  call('HSET', directory, 'n', integer(first + #ids), 'format', FORMAT)
  push_undo(restore_user_count, directory, known)
  local packed, begins = {}, first -- consecutive places within one part
  for i, id in ipairs(ids) do
    users[id].n = first + i - 1
    packed[#packed + 1] = packed_id(id)
    if i == #ids or (first + i) % INDEX_PART == 0 then
      write_user_index(directory, begins, table.concat(packed))
      packed, begins = {}, first + i
    end
  end
end

-- ->    a user's record in the directory as a table, or nil if `raw` is not a record
local function read_user(raw)
  local readable, user = pcall(cjson.decode, raw)
  if readable and type(user) == 'table' and type(user.x) == 'string' and type(user.e) == 'string'
    and (user.n == nil or type(user.n) == 'number') then
    return user
  end
end

local function read_user_or_fail(id, raw)
  return read_user(raw) or fail_by_data('the record of user ' .. id .. ' in the directory')
end

-- Append the id and the record in the directory of each existing user. They are not decoded here, because that would be
-- most of the cost.
-- ->    the ids of deleted users
local function add_records(directory, ids, records)
  local deleted = {}
  for first = 1, #ids, CHUNK do
    local user_ids, fields = {}, {}
    for i = first, math.min(first + CHUNK - 1, #ids) do
      local user_id = unpacked_id(ids[i])
      user_ids[#user_ids + 1], fields[#fields + 1] = user_id, 'u:' .. user_id
    end
    for i, record in ipairs(call('HMGET', directory, unpack(fields))) do
      if record then
        records[#records + 1] = user_ids[i]
        records[#records + 1] = record
      else
        deleted[#deleted + 1] = ids[first + i - 1]
      end
    end
  end
  return deleted
end

-- KEYS  directory
-- ->    how many users the project ever had: one more than the highest place
local function user_index_size(keys)
  return user_count_of(call('HGET', keys[1], 'n'))
end

-- KEYS  directory
-- ARGV  first count (of places)
-- ->    user id, record, … of the users there, in order; deleted users are left out
local function read_user_index(keys, args)
  local index, records, ids = tonumber(args[1]), {}, {}
  local stop = math.min(index + tonumber(args[2]), user_index_size(keys))
  while index < stop do
    local from = index % INDEX_PART
    local to = math.min(from + stop - index, INDEX_PART)
    local part = keys[1] .. USER_INDEX .. integer(math.floor(index / INDEX_PART))
    local packed = call('GETRANGE', part, integer(from * 16), integer(to * 16 - 1))
    for i = 1, #packed, 16 do
      local id = packed:sub(i, i + 15)
      if id ~= NO_USER then ids[#ids + 1] = id end
    end
    index = index + to - from
  end
  add_records(keys[1], ids, records)
  return records
end

-- A topic's subscribers are a sorted set of user ids (16 bytes) by place in the user index. The set may contain users
-- who are not subscribed, but never lacks one who is: the subscriptions in the users' slots decide. A user may be
-- removed only if it was not added meanwhile. To check that, the member "" has the claim of the latest addition, a
-- random negative number, as its score.

local function drop_subscribers(key, ids)
  remove_members(key, ids)
  if call('ZCARD', key) == 1 then remove_members(key, { '' }) end
end

-- KEYS  directory
-- ARGV  topic user_id claim (a negative number)
-- ->    1, or 0 if the user was in the set already or is not in the directory
local function add_subscriber(keys, args)
  local field, key = 'u:' .. args[2], keys[1] .. SUBSCRIBERS .. args[1]
  local raw = call('HGET', keys[1], field)
  if not raw then return 0 end
  local user = read_user_or_fail(args[2], raw)
  if not user.n then
    append_to_user_index(keys[1], { args[2] }, { [args[2]] = user })
    set_fields(keys[1], { field, cjson.encode(user) })
  end
  add_member(key, args[3], '')
  return add_member(key, integer(user.n), packed_id(args[2]))
end

-- KEYS  directory
-- ARGV  topic
-- ->    the latest claim, or false if the topic has no subscribers
local function subscribers_claim(keys, args)
  return call('ZSCORE', keys[1] .. SUBSCRIBERS .. args[1], '')
end

-- KEYS  directory
-- ARGV  user_id claim (which must still be the latest; "" accepts any, for a deleted user) topics…
-- ->    1
local function remove_subscriber(keys, args)
  local claim = tonumber(args[2])
  for i = 3, #args do
    local key = keys[1] .. SUBSCRIBERS .. args[i]
    if not claim or claim == tonumber(call('ZSCORE', key, '') or 0) then
      drop_subscribers(key, { packed_id(args[1]) })
    end
  end
  return 1
end

-- KEYS  directory
-- ARGV  topic after (the place after which to begin; -1 for the first) count
-- ->    the next value of `after`, or -1 at the end; then user id, record, … of the users
local function read_subscribers(keys, args)
  local key, ids, records = keys[1] .. SUBSCRIBERS .. args[1], {}, {}
  local found = call(
    'ZRANGE', key, '(' .. args[2], '+inf', 'BYSCORE', 'LIMIT', 0, args[3], 'WITHSCORES'
  )
  for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
  records[1] = #ids == tonumber(args[3]) and tonumber(found[#found]) or -1
  local deleted = add_records(keys[1], ids, records)
  -- A user is deleted in its own slot first, and its id is never used again.
  if #deleted > 0 then drop_subscribers(key, deleted) end
  return records
end
