-- The indexes of an inbox: per bucket one of all items, one for each category, and one for all topics. The first two
-- are sorted by the items' offsets. The last one holds lists: an item with a topic is in the list of its topic, and in
-- that of its topic with its category. A member is the name of the list, the offset and the item id. All scores are 0,
-- so the members are sorted by their bytes, and a list is the members that begin with its name. (Backends create a
-- topic for every order. With keys for each topic, marking 100,000 items took Redis 2.6 s.)

local OFFSET = '>I6'
local ID_BYTES, STAMP_BYTES = 16, 22 -- a stamp is an offset and an id

local function inbox_key(user, bucket) return user .. INBOX .. bucket end
local function category_key(user, bucket, category) return user .. CATEGORY .. bucket .. ':' .. category end
local function topics_key(user, bucket) return user .. TOPICS .. bucket end

-- Names of lists. No name is the beginning of another, because each contains its length.
local function topic_list(topic) return 't' .. #topic .. ' ' .. topic end
local function pair_list(category, topic) return 'p' .. #category .. ' ' .. category .. #topic .. ' ' .. topic end
local function after_list(list) return '(' .. list .. '\255' end -- no offset is as large

local function stamp_of(offset, id)
  return struct.pack(OFFSET, offset) .. id
end

-- ->    offset, id
local function read_member(member)
  return struct.unpack(OFFSET, member:sub(-STAMP_BYTES)), member:sub(-ID_BYTES)
end

-- execute: `call`, or `try` in an undo step
local function add_to_indexes(execute, user, bucket, category, topic, offset, id)
  execute('ZADD', inbox_key(user, bucket), offset, id)
  execute('ZADD', category_key(user, bucket, category), offset, id)
  if topic ~= '' then
    local stamp = stamp_of(offset, id)
    execute('ZADD', topics_key(user, bucket), 0, topic_list(topic) .. stamp, 0, pair_list(category, topic) .. stamp)
  end
end

local function remove_from_indexes(execute, user, bucket, category, topic, offset, id)
  execute('ZREM', inbox_key(user, bucket), id)
  execute('ZREM', category_key(user, bucket, category), id)
  if topic ~= '' then
    local stamp = stamp_of(offset, id)
    execute('ZREM', topics_key(user, bucket), topic_list(topic) .. stamp, pair_list(category, topic) .. stamp)
  end
end

local function offset_of(user, bucket, id)
  return call('ZSCORE', inbox_key(user, bucket), id)
end

-- ->    the counts that every event carries: unread, unseen, unarchived unread, unarchived unseen
local function counts(user)
  local new, seen = call('ZCARD', inbox_key(user, 0)), call('ZCARD', inbox_key(user, 1))
  local archived_new, archived_seen = call('ZCARD', inbox_key(user, 4)), call('ZCARD', inbox_key(user, 5))
  return new + seen + archived_new + archived_seen, new + archived_new, new + seen, new
end

-- A range is a part of an index, newest last: { key, list }. Without `list`, it is the whole index.

-- Read a filter's categories and topics from args[first]: count, names …, count, names …
-- ->    a function from bucket to the ranges of the matching items; each item is in exactly one of them
local function ranges_by(user, args, first)
  local categories, topics = {}, {}
  local category_count = tonumber(args[first])
  for i = 1, category_count do categories[i] = args[first + i] end
  local second = first + category_count + 1
  for i = 1, tonumber(args[second]) do topics[i] = args[second + i] end
  return function(bucket)
    if #categories == 0 and #topics == 0 then return { { key = inbox_key(user, bucket) } } end
    local ranges = {}
    if #topics == 0 then
      for i, category in ipairs(categories) do ranges[i] = { key = category_key(user, bucket, category) } end
      return ranges
    end
    local key = topics_key(user, bucket)
    for _, topic in ipairs(topics) do
      if #categories == 0 then ranges[#ranges + 1] = { key = key, list = topic_list(topic) } end
      for _, category in ipairs(categories) do
        ranges[#ranges + 1] = { key = key, list = pair_list(category, topic) }
      end
    end
    return ranges
  end
end

-- Counting and finding take logarithmic time in the size of the index.

local function size_of(range)
  if not range.list then return call('ZCARD', range.key) end
  return call('ZLEXCOUNT', range.key, '[' .. range.list, after_list(range.list))
end

local function count_from(range, offset)
  if not range.list then return call('ZCOUNT', range.key, integer(offset), '+inf') end
  return call('ZLEXCOUNT', range.key, '[' .. range.list .. struct.pack(OFFSET, offset), after_list(range.list))
end

-- ->    the newest items of a range as id, offset, …, from an offset down (nil: from the newest)
local function newest_of(range, offset, limit)
  if not range.list then
    local from = offset and integer(offset) or '+inf'
    return call('ZRANGE', range.key, from, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit, 'WITHSCORES')
  end
  local from, entries = offset and '(' .. range.list .. struct.pack(OFFSET, offset + 1) or after_list(range.list), {}
  local members = call('ZRANGE', range.key, from, '[' .. range.list, 'BYLEX', 'REV', 'LIMIT', 0, limit)
  for i, member in ipairs(members) do entries[2 * i], entries[2 * i - 1] = read_member(member) end
  return entries
end

-- ->    the ids of all items of a range, and their offsets
local function all_of(range)
  local ids, offsets = {}, {}
  if range.list then
    for i, member in ipairs(call('ZRANGE', range.key, '[' .. range.list, after_list(range.list), 'BYLEX')) do
      offsets[i], ids[i] = read_member(member)
    end
  else
    local entries = call('ZRANGE', range.key, 0, -1, 'WITHSCORES')
    for i = 1, #entries, 2 do
      ids[#ids + 1], offsets[#offsets + 1] = entries[i], entries[i + 1]
    end
  end
  return ids, offsets
end

-- Offsets are integers and unique, so a binary search by counting finds the item without reading the newer ones.
-- ->    the offset of the item at `rank` (0 is the newest) over all ranges
local function offset_at(ranges, rank, newest)
  local low, high = 1, newest
  while low < high do
    local middle = math.ceil((low + high) / 2)
    local count = 0
    for _, range in ipairs(ranges) do count = count + count_from(range, middle) end
    if count > rank then low = middle else high = middle - 1 end
  end
  return low
end

-- ->    up to `limit` ids from `rank` on, newest first, merged over all ranges
local function merged_ids(ranges, rank, limit, newest)
  if #ranges == 1 and not ranges[1].list then
    return call('ZRANGE', ranges[1].key, rank, rank + limit - 1, 'REV')
  end
  local from, ids = rank > 0 and offset_at(ranges, rank, newest) or nil, {}
  local entries, places, offsets = {}, {}, {} -- of each range; the place and offset of its next item
  for i, range in ipairs(ranges) do
    entries[i], places[i] = newest_of(range, from, limit), 1
    offsets[i] = tonumber(entries[i][2] or 0)
  end
  for i = 1, limit do
    local latest, at = 0, nil
    for j = 1, #offsets do
      if offsets[j] > latest then latest, at = offsets[j], j end
    end
    if not at then break end
    ids[i] = entries[at][places[at]]
    places[at] = places[at] + 2
    offsets[at] = tonumber(entries[at][places[at] + 1] or 0)
  end
  return ids
end
