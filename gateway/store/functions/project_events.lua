-- The log of a project's events: a stream for each type of event, and indexes of each stream by user.
--
-- The type is a part of the stream's name, so that events of one type take no room of another, and a filter by type or
-- level reads nothing else. A list of several types merges their streams. The clock, one for all streams, gives every
-- event of a project a place of its own, so the order of places is the order of the writes.
--
-- A stream has up to INDEXES indexes, each about the users whose ids have the same rest. An index is a string with an
-- entry of INDEX_BYTES for each event of these users, oldest first: ms (6), number (2), and the last two bytes of the
-- user's id.

local INDEXES = 32
local INDEX_BYTES, INDEX_PLACE, INDEX_PLACE_BYTES = 10, '>I6I2', 8
local INDEX_TRIM = 256 -- entries between two checks for those whose events are gone
local INDEX_SCAN = 40000 -- entries that one call scans at most: 5 ms
local MERGE_ROWS = 8 -- events that a merge reads from a stream at once
local MAX_NUMBER = 65535

-- Functions in tables, because the library has as many local variables as Lua allows: about places, streams with their
-- indexes, and pages.
local place, log, page = {}, {}, {}

function log.stream(base, code)
  return base .. EVENT_STREAM .. code
end

function log.index(base, code, user)
  return base .. EVENT_INDEX .. code .. ':' .. user:byte(15) % INDEXES
end

-- ->    the next place: ms, number. Places never go back, not even if the server's clock does.
function place.next(ms, number, now)
  if now > ms then return now, 0 end
  if number < MAX_NUMBER then return ms, number + 1 end
  return ms + 1, 0
end

function place.text(ms, number)
  return integer(ms) .. '-' .. integer(number)
end

function place.parse(text)
  local ms, number = text:match('^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(number)
end

function place.precedes(ms, number, other_ms, other_number)
  if ms == other_ms then return number < other_number end
  return ms < other_ms
end

-- ->    how many entries of an index precede a place
function log.entries_before(key, entries, ms, number)
  local low, high = 0, entries
  while low < high do
    local middle = math.floor((low + high) / 2)
    local first = middle * INDEX_BYTES
    local entry = call('GETRANGE', key, first, first + INDEX_PLACE_BYTES - 1)
    local entry_ms, entry_number = struct.unpack(INDEX_PLACE, entry)
    if place.precedes(entry_ms, entry_number, ms, number) then low = middle + 1 else high = middle end
  end
  return low
end

function log.remove_from(stream, id)
  for _, entry in ipairs(try('XRANGE', stream, id, '+')) do try('XDEL', stream, entry[1]) end
  if try('XLEN', stream) == 0 then try('DEL', stream) end
end

function log.shorten_index(key, length)
  if length == 0 then try('DEL', key) else try('SET', key, try('GETRANGE', key, 0, length - 1), 'KEEPTTL') end
end

function log.limit_age(key, seconds)
  if seconds > 0 then try('EXPIRE', key, integer(math.ceil(1.1 * seconds))) else try('PERSIST', key) end
end

-- Remove the entries of an index that precede the oldest event of its stream.
function log.trim_index(key, stream)
  local oldest = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if not oldest then return call('DEL', key) end
  local gone = log.entries_before(key, call('STRLEN', key) / INDEX_BYTES, place.parse(oldest[1]))
  if gone > 0 then call('SET', key, call('GETRANGE', key, gone * INDEX_BYTES, -1), 'KEEPTTL') end
end

-- KEYS  project events
-- ARGV  kept seconds events
-- ->    how many were appended
-- kept: events of a type; seconds: their age, 0 for any; events: of each, its type (2 bytes), the lengths of its user (1)
-- and its context (4), then the user (16 bytes, or none) and the context (JSON, or none)
local function append_project_events(keys, args)
  local base, kept, seconds, events, now = keys[1], args[1], tonumber(args[2]), args[3], now_ms()
  local clock = call('HMGET', base, 'ms', 'number')
  local ms, number = tonumber(clock[1] or 0), tonumber(clock[2] or 0)
  local streams, indexes, full_indexes, published = {}, {}, {}, {} -- streams by type; indexes as a set
  local at = 1
  while at <= #events do
    ms, number = place.next(ms, number, now)
    local code, user_bytes, context_bytes, first = struct.unpack('>I2I1I4', events, at)
    local context_at, next_at = first + user_bytes, first + user_bytes + context_bytes
    local user, context = events:sub(first, context_at - 1), events:sub(context_at, next_at - 1)
    local stream, id = streams[code], place.text(ms, number)
    if not stream then
      stream = log.stream(base, integer(code))
      streams[code] = stream
      push_undo(log.remove_from, stream, id) -- one step for all events of the call
    end
    call('XADD', stream, 'MAXLEN', '~', kept, id, 'u', user, 'c', context)
    local packed_place = struct.pack(INDEX_PLACE, ms, number)
    if user_bytes > 0 then
      local index = log.index(base, integer(code), user)
      local length = call('APPEND', index, packed_place .. user:sub(15))
      if not indexes[index] then
        indexes[index] = true
        push_undo(log.shorten_index, index, length - INDEX_BYTES)
      end
      if length / INDEX_BYTES % INDEX_TRIM == 0 then full_indexes[index] = stream end
    end
    published[#published + 1] = packed_place
    published[#published + 1] = events:sub(at, next_at - 1)
    at = next_at
  end
  call('HSET', base, 'ms', integer(ms), 'number', integer(number))
  commit()
  -- The rest frees memory and informs the open tails. If it fails, the next append frees the memory, and the tails read
  -- the log.
  log.limit_age(base, seconds)
  for index in pairs(indexes) do log.limit_age(index, seconds) end
  for _, stream in pairs(streams) do
    log.limit_age(stream, seconds)
    if seconds > 0 then try('XTRIM', stream, 'MINID', '~', integer(math.max(0, ms - 1000 * seconds))) end
  end
  for index, stream in pairs(full_indexes) do pcall(log.trim_index, index, stream) end
  try('SPUBLISH', base, table.concat(published))
  return #published / 2
end

-- A page merges sources, one for each type. `load(source)` moves a source to its next event in the page's order, and
-- sets its `ms`, `number` and `row`. At the end of the source, `ms` is nil. If the source scanned as much as one call
-- may, `row` is nil, and `ms` and `number` are the place that it reached.

-- ->    events in the page's order, and the place up to which the sources were scanned, '' if that is their end
function page.merge(sources, limit, newest_first, load)
  local found = {}
  for _, source in ipairs(sources) do load(source) end
  while #found < limit do
    local best
    for _, source in ipairs(sources) do
      if source.ms and (not best
        or place.precedes(source.ms, source.number, best.ms, best.number) ~= newest_first) then
        best = source
      end
    end
    if not best then break end
    if not best.row then return found, place.text(best.ms, best.number) end
    found[#found + 1] = best.row
    load(best)
  end
  return found, ''
end

-- ->    an event as it is returned: its place, its type, its user and its context
function page.row(entry, code)
  return { entry[1], tonumber(code), entry[2][2], entry[2][4] }
end

-- ->    the ms of the oldest event that is still listed
function page.oldest_listed(seconds)
  return seconds > 0 and math.max(0, now_ms() - 1000 * seconds) or 0
end

function page.read_rows(source, newest_first, last)
  if newest_first then return call('XREVRANGE', source.stream, source.bound, last, 'COUNT', MERGE_ROWS) end
  return call('XRANGE', source.stream, source.bound, last, 'COUNT', MERGE_ROWS)
end

-- ->    the loader of a source that is a whole stream
function page.stream_loader(newest_first, oldest_ms)
  local last = newest_first and integer(oldest_ms) or '+'
  return function(source)
    source.next = (source.next or MERGE_ROWS) + 1
    if source.next > MERGE_ROWS then
      source.rows, source.next = page.read_rows(source, newest_first, last), 1
    end
    local entry = source.rows[source.next]
    source.ms, source.row = nil, nil
    if not entry then return end
    source.bound = '(' .. entry[1]
    source.ms, source.number = place.parse(entry[1])
    source.row = page.row(entry, source.code)
  end
end

-- KEYS  project events
-- ARGV  seconds limit newest_first cursor codes…
-- ->    events after the cursor in the page's order: { place, type, user, context }
-- newest_first: '1' or '0'; cursor: a place, '' for the first page
local function read_project_events(keys, args)
  local oldest_ms, newest_first, cursor = page.oldest_listed(tonumber(args[1])), args[3] == '1', args[4]
  if newest_first and cursor == '0-0' then return {} end -- Redis refuses an interval that ends before it
  local bound = newest_first and '+' or integer(oldest_ms)
  if cursor ~= '' and (newest_first or place.parse(cursor) >= oldest_ms) then bound = '(' .. cursor end
  local sources = {}
  for i = 5, #args do
    sources[#sources + 1] = { stream = log.stream(keys[1], args[i]), code = args[i], bound = bound }
  end
  return (page.merge(sources, tonumber(args[2]), newest_first, page.stream_loader(newest_first, oldest_ms)))
end

-- ->    the part of an index that a call scans: { entries, place of the first one, place of the next one, step, … }
function page.index_source(base, code, user, cursor, newest_first, most)
  local index = log.index(base, code, user)
  local entries = call('STRLEN', index) / INDEX_BYTES
  local first, last = 0, entries - 1
  if cursor ~= '' then
    local ms, number = place.parse(cursor)
    if newest_first then last = log.entries_before(index, entries, ms, number) - 1
    else first = log.entries_before(index, entries, ms, number + 1) end
  end
  local is_cut = last - first >= most
  if is_cut and newest_first then first = last - most + 1 elseif is_cut then last = first + most - 1 end
  local part = last >= first and call('GETRANGE', index, first * INDEX_BYTES, (last + 1) * INDEX_BYTES - 1) or ''
  return {
    stream = log.stream(base, code), code = code, part = part, is_cut = is_cut,
    at = newest_first and #part - INDEX_BYTES + 1 or 1, step = newest_first and -INDEX_BYTES or INDEX_BYTES,
  }
end

-- ->    the loader of a source that is an index
function page.index_loader(user, oldest_ms)
  local mark = user:sub(15)
  return function(source)
    local part = source.part
    source.row = nil
    while source.at >= 1 and source.at < #part do
      local at = source.at
      source.at = at + source.step
      if part:sub(at + INDEX_PLACE_BYTES, at + INDEX_BYTES - 1) == mark then
        source.ms, source.number = struct.unpack(INDEX_PLACE, part:sub(at, at + INDEX_PLACE_BYTES - 1))
        local id = place.text(source.ms, source.number)
        local entry = source.ms >= oldest_ms and call('XRANGE', source.stream, id, id)[1]
        if entry and entry[2][2] == user then
          source.row = page.row(entry, source.code)
          return
        end
      end
    end
    source.ms = nil
    if not source.is_cut then return end
    local last = source.at - source.step
    source.ms, source.number = struct.unpack(INDEX_PLACE, part:sub(last, last + INDEX_PLACE_BYTES - 1))
    if source.ms < oldest_ms and source.step < 0 then source.ms = nil end
  end
end

-- KEYS  project events
-- ARGV  seconds limit newest_first cursor user codes…
-- ->    events of a user as read_project_events returns them, and the place that was reached if a call scanned as much
--       as it may, else ''
local function read_user_events(keys, args)
  local oldest_ms, newest_first = page.oldest_listed(tonumber(args[1])), args[3] == '1'
  local cursor, user = args[4], args[5]
  local sources, most = {}, math.floor(INDEX_SCAN / (#args - 5))
  for i = 6, #args do
    sources[#sources + 1] = page.index_source(keys[1], args[i], user, cursor, newest_first, most)
  end
  return { page.merge(sources, tonumber(args[2]), newest_first, page.index_loader(user, oldest_ms)) }
end

-- KEYS  project events
-- ARGV  seconds place code
-- ->    the events at a place: one, or none
local function find_project_event(keys, args)
  if place.parse(args[2]) < page.oldest_listed(tonumber(args[1])) then return {} end
  local entry = call('XRANGE', log.stream(keys[1], args[3]), args[2], args[2])[1]
  return { entry and page.row(entry, args[3]) or nil }
end
