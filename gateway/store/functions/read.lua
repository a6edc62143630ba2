-- Functions that read an inbox. (The first read of a new user's log gives it its epoch.)

-- KEYS  user
-- ARGV  buckets rank limit  #categories categories… #topics topics…
-- ->    epoch ("" for a user without a log), offset, total, unread, unseen, then each item as JSON, newest first
local function list(keys, args, record)
  local user = keys[1]
  local rank, limit = tonumber(args[2]), tonumber(args[3])
  local ranges_of = ranges_by(user, args, 4)
  local total, unread, unseen, ranges = 0, 0, 0, {}
  for bucket in args[1]:gmatch('%d') do
    for _, range in ipairs(ranges_of(bucket)) do
      local size = size_of(range)
      if size > 0 then
        ranges[#ranges + 1] = range
        total = total + size
        if not is_set(bucket, 1) then unseen = unseen + size end
        if not is_set(bucket, 2) then unread = unread + size end
      end
    end
  end
  local result = { record.epoch or '', integer(record.offset or 0), total, unread, unseen }
  if rank >= total then return result end

  local ids = merged_ids(ranges, rank, limit, record.offset)
  append_items(result, user, record, ids)
  return result
end

-- KEYS  user
-- ARGV  item_id
-- ->    the item as JSON, or false
local function get(keys, args, record)
  local packed = call('HGET', keys[1] .. STATES, args[1])
  if not packed then return false end
  local content = content_or_reference(call('HGET', keys[1] .. ITEMS, args[1]), args[1])
  local state = unpack_state(packed) or state_by_content(content)
  return notification_json(content, state, recipient_json(keys[1], record))
end

-- KEYS  user
-- ARGV  item_id
-- ->    the head of the event that deleted an item, "epoch.offset ms name", or false if the log does not have it
local function find_deletion(keys, args)
  local mentioned, last = '"id":"' .. unpacked_id(args[1]) .. '"', '+'
  repeat
    local entries = call('XREVRANGE', keys[1] .. LOG, last, '-', 'COUNT', 64)
    for _, entry in ipairs(entries) do
      local head = entry[2][2]:match('^[^\n]*')
      if head:sub(-21) == ' notifications/delete' and entry[2][2]:find(mentioned, #head, true) then return head end
    end
    if #entries > 0 then last = '(' .. entries[#entries][1] end
  until #entries == 0
  return false
end

-- Read tokens from args[first]: id, issued_at …
-- ->    the indexes (from 0) of those that are revoked
local function revoked_tokens(user, record, args, first)
  local found = {}
  for i = first, #args, 2 do
    local issued_at = tonumber(args[i + 1])
    if is_revoked(user, record.revoked_before, args[i], issued_at, true) then found[#found + 1] = (i - first) / 2 end
  end
  return found
end

-- KEYS  user
-- ARGV  epoch_if_new  after_epoch after_offset ("" to read no events)  max_events max_bytes
--       seen_at (the second at which the user was seen, "" if it is not to be written)
--       tokens… (id and issued_at, "" for none, of each token whose connections get the events)
-- ->    epoch, offset, unread, unseen, unarchived unread, unarchived unseen, reset reason or "",
--       the indexes (from 0) of the tokens that are revoked, then messages
local function read_log(keys, args, record)
  local user = keys[1]
  local unread, unseen, unarchived_unread, unarchived_unseen = 0, 0, 0, 0
  if record.epoch then
    unread, unseen, unarchived_unread, unarchived_unseen = counts_after(user, record)
  end
  local seen_at = is_seen_later(record, args[6]) and args[6]
  local fields = seen_at and { 'seen_at', seen_at } or {}
  if not record.epoch then
    begin_log(user, record, args[1], generation(now_ms()))
    call('HSET', user, 'epoch', record.epoch, 'offset', 0, 'life', record.life, 'format', FORMAT, unpack(fields))
  elseif seen_at then
    call('HSET', user, 'seen_at', seen_at)
  end
  local epoch, offset = record.epoch, record.offset
  local result = {
    epoch, offset, unread, unseen, unarchived_unread, unarchived_unseen, '',
    revoked_tokens(user, record, args, 7),
  }
  local HEAD = #result -- before the messages
  local after = tonumber(args[3])
  if not after then return result end
  if after < 0 then
    result[7] = 'position_invalid'
  elseif args[2] ~= epoch then
    result[7] = 'epoch_changed'
  elseif after > offset then
    result[7] = 'position_unknown'
  end
  if result[7] ~= '' or after == offset then return result end

  local max_events, max_bytes, bytes = tonumber(args[4]), tonumber(args[5]), 0
  local next_offset, contiguous = after + 1, true
  while contiguous and next_offset <= offset and #result - HEAD < max_events and bytes < max_bytes do
    local step = math.min(64, max_events - (#result - HEAD))
    local entries = call('XRANGE', user .. LOG, integer(next_offset), '+', 'COUNT', step)
    contiguous = #entries > 0
    for _, entry in ipairs(entries) do
      contiguous = entry[1]:match('^%d+') == integer(next_offset)
      if not contiguous or bytes >= max_bytes then break end
      result[#result + 1] = entry[2][2]
      bytes = bytes + #entry[2][2]
      next_offset = next_offset + 1
    end
  end
  if #result == HEAD then result[7] = 'position_expired' end
  return result
end

-- The same as read_log for a server that accepts no writes. A user without a log gets a position in a new epoch that is
-- not stored. A client that later resumes from it gets a reset, because the epoch has changed.
local function peek_log(keys, args, record)
  record.epoch, record.offset, args[6] = record.epoch or args[1], record.offset or 0, ''
  return read_log(keys, args, record)
end

-- KEYS  user
-- ->    0, after the guard has checked and counted the call
local function use()
  return 0
end

-- KEYS  admin calls (the beginning of the counter's key)
-- ARGV  kind limit
-- ->    as a guarded function, although it is none: "limited" or "ok", used, seconds, 0
local function count_call(keys, args)
  local used, seconds = count_use(keys[1], args[1])
  return { used > tonumber(args[2]) and 'limited' or 'ok', used, seconds, 0 }
end
