-- Pages of an inbox by cursor: the items that follow or precede a place. Each page costs logarithmic time in the size
-- of the inbox, however far from the newest item it is.

-- Append to `found` the oldest items of a range, as { id, offset }, from an offset up.
local function find_oldest(range, offset, limit, found)
  if not range.list then
    local entries = call('ZRANGE', range.key, integer(offset), '+inf', 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
    for i = 1, #entries, 2 do found[#found + 1] = { id = entries[i], offset = tonumber(entries[i + 1]) } end
    return
  end
  local from = '[' .. range.list .. struct.pack(OFFSET, offset)
  for _, member in ipairs(call('ZRANGE', range.key, from, after_list(range.list), 'BYLEX', 'LIMIT', 0, limit)) do
    local its_offset, id = read_member(member)
    found[#found + 1] = { id = id, offset = its_offset }
  end
end

-- ->    the items of a page, as { id, offset }, newest first
local function items_beside(ranges, way, place, limit)
  local found, page = {}, {}
  for _, range in ipairs(ranges) do
    if way == 'before' then
      find_oldest(range, place + 1, limit, found)
    else
      local entries = newest_of(range, place and place - 1, limit)
      for j = 1, #entries, 2 do found[#found + 1] = { id = entries[j], offset = tonumber(entries[j + 1]) } end
    end
  end
  table.sort(found, function(a, b)
    if way == 'before' then return a.offset < b.offset end
    return a.offset > b.offset
  end)
  local size = math.min(limit, #found)
  for i = 1, size do page[way == 'before' and size + 1 - i or i] = found[i] end
  return page
end

-- ->    the offset of an item, or nil if it does not exist
local function place_of(user, id)
  local packed = call('HGET', user .. STATES, id)
  local state = packed and unpack_state(packed)
  return state and tonumber(offset_of(user, bucket_of(state), id) or nil)
end

-- KEYS  user
-- ARGV  buckets limit  way ("after" for older items, "before" for newer ones, "" for the newest)
--       item_id (of the cursor) place (its offset, or "" to look it up)  #categories categories… #topics topics…
-- ->    epoch ("" for a user without a log), offset, total (-1 if the cursor's item does not exist), the offset of the
--       first item of the page if there are newer ones or 0, the same of the last item and older ones,
--       then each item as JSON, newest first
local function list_beside(keys, args, record)
  local user, limit, way = keys[1], tonumber(args[2]), args[3]
  local result = { record.epoch or '', integer(record.offset or 0), 0, '0', '0' }
  local place = way ~= '' and (tonumber(args[5]) or place_of(user, args[4])) or nil
  if way ~= '' and not place then
    result[3] = -1
    return result
  end
  local ranges_of, ranges = ranges_by(user, args, 6), {}
  for bucket in args[1]:gmatch('%d') do
    for _, range in ipairs(ranges_of(bucket)) do
      local size = size_of(range)
      if size > 0 then
        ranges[#ranges + 1] = range
        result[3] = result[3] + size
      end
    end
  end
  local page = limit > 0 and items_beside(ranges, way, place, limit) or {}
  if #page == 0 then return result end

  local first, last = page[1].offset, page[#page].offset
  local newer, from_last, ids = 0, 0, {}
  for _, range in ipairs(ranges) do
    newer = newer + count_from(range, first + 1)
    from_last = from_last + count_from(range, last)
  end
  if newer > 0 then result[4] = integer(first) end
  if from_last < result[3] then result[5] = integer(last) end
  for i, item in ipairs(page) do ids[i] = item.id end
  append_items(result, user, record, ids)
  return result
end
