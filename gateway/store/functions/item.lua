-- An item: its packed state and its JSON. Every function of a user has one key, that of the user's record. The other
-- keys of the user are in the same slot (store/keys.py).

local BUCKETS = { 0, 1, 3, 4, 5, 7 } -- bits: seen 1, read 2, archived 4; read implies seen
local CHUNK = 1000 -- arguments per variadic command, well under Lua's unpack limit
local CLOCK_SECONDS = 10 -- how much clocks may differ: a time further in the future was written by a wrong clock
local SENT_AHEAD_SECONDS = 300 -- the same for the times at which items were sent, which only affect their order
local EPOCH_CHARACTERS = 12 -- of a digest: an epoch is part of every position, so it is short

local integer
do
  local texts = {} -- of small numbers, which most counts and offsets are

  -- A text that is there takes a tenth of the time of formatting it. ('%.0f' would take five times as long as '%d'.)
  function integer(number) -- below 2^53
    local text = texts[number]
    if not text then
      text = string.format('%d', number)
      if number >= 0 and number < 4096 then texts[number] = text end
    end
    return text
  end
end

local function now_ms() -- by the server's clock
  local time = call('TIME')
  return 1000 * time[1] + math.floor(time[2] / 1000)
end

local clock_beside
do
  local reading = 0 -- the latest one, in seconds: at most as late as the clock is now

  -- now: the caller's time in seconds
  -- ->    the time by the server's clock in seconds, or the latest reading if `now` is near it. Then `now` is not ahead
  --       of the clock either, and a command is saved.
  function clock_beside(now)
    if now > reading + CLOCK_SECONDS or now < reading - CLOCK_SECONDS then reading = tonumber(call('TIME')[1]) end
    return reading
  end
end

local UUID_FORMAT = ('%02x'):rep(4) .. ('-' .. ('%02x'):rep(2)):rep(3) .. '-' .. ('%02x'):rep(6)

local function unpacked_id(packed)
  return UUID_FORMAT:format(packed:byte(1, 16))
end

local function is_set(bucket, bit) -- bit is 1, 2 or 4
  return math.floor(bucket / bit) % 2 == 1
end

-- state: { sent, seen, read, archived, category, topic, repeatable }; times are decimal strings, '0' is unset.
-- repeatable: the request that created the item may be repeated for a day.

-- scope: the end of a packed state, which no transition changes
-- ->    category, topic, repeatable
local function read_scope(scope)
  local repeatable, length, rest = scope:match('^(r?)(%d+) (.*)$')
  length = tonumber(length)
  return rest:sub(1, length), rest:sub(length + 1), repeatable ~= ''
end

-- ->    the state as a table, or nil if `packed` is not a state
local function unpack_state(packed)
  local sent, seen, read, archived, repeatable, length, rest
    = packed:match('^(%d+) (%d+) (%d+) (%d+) (r?)(%d+) (.*)$')
  if not sent then return nil end
  length = tonumber(length)
  return {
    sent = sent, seen = seen, read = read, archived = archived,
    category = rest:sub(1, length), topic = rest:sub(length + 1), repeatable = repeatable ~= '',
  }
end

-- ->    a substitute for a lost state, to show and to find the item. Category and topic are those of its content.
local function state_by_content(content)
  local readable, fields = pcall(cjson.decode, content .. '}')
  local function text(name)
    local value = readable and fields[name]
    return type(value) == 'string' and value ~= 'uncategorized' and value or ''
  end
  return {
    sent = '0', seen = '0', read = '0', archived = '0', category = text('category'), topic = text('topic'),
    repeatable = false,
  }
end

local function fail_by_data(what)
  error({ err = 'BROKEN ' .. what })
end

local function pack_state(state)
  return state.sent .. ' ' .. state.seen .. ' ' .. state.read .. ' ' .. state.archived
    .. (state.repeatable and ' r' or ' ') .. #state.category .. ' ' .. state.category .. state.topic
end

local function bucket_of(state)
  return (state.seen ~= '0' and 1 or 0) + (state.read ~= '0' and 2 or 0) + (state.archived ~= '0' and 4 or 0)
end

-- ->    the value of one fact after a write at `now`
local function value_after(value, write, now)
  if write == 'c' then return '0' end
  if write == 's' and value == '0' then return now end
  return value
end

-- Apply a transition to a state in place.
-- code: three writes for seen, read, archived: `s` set, `c` clear, `-` keep (domain/notification.py)
local function apply(state, code, now)
  state.seen = value_after(state.seen, code:sub(1, 1), now)
  state.read = value_after(state.read, code:sub(2, 2), now)
  state.archived = value_after(state.archived, code:sub(3, 3), now)
end

-- A content that many items share is stored in a slot of its own. Its items have no content here. Their JSON has a NUL
-- after the id, which the gateway replaces.

local function is_reference(content)
  return content:byte(-1) == 0
end

local function content_or_reference(content, id)
  return content or '{"id":"' .. unpacked_id(id) .. '"\0'
end

-- JSON, concatenated from encoded parts. Nothing is decoded or encoded here. Each text is one concatenation, because
-- every further one would copy the content again.

local function json_time(value)
  return value == '0' and 'null' or value
end

local function recipient_json(user, record)
  return '{"id":"' .. user:sub(-37, -2)
    .. '","email":' .. (record.email or 'null')
    .. ',"external_id":' .. (record.external_id or 'null')
    .. ',"first_name":' .. (record.first_name or 'null')
    .. ',"last_name":' .. (record.last_name or 'null')
    .. ',"custom_attributes":' .. (record.custom_attributes or '{}') .. '}'
end

-- ->    the times of an item, after the name `seen_at`
local function times_json(state)
  return json_time(state.seen) .. ',"sent_at":' .. json_time(state.sent)
    .. ',"read_at":' .. json_time(state.read) .. ',"archived_at":' .. json_time(state.archived)
end

-- content: always begins with {"id":"<36 characters>"
local function notification_json(content, state, recipient)
  return content .. ',"recipient":' .. recipient .. ',"seen_at":' .. times_json(state) .. '}'
end

local function item_data_json(content, state, recipient, client_id)
  return '{"id":"' .. content:sub(8, 43) .. '","notification":' .. content .. ',"recipient":' .. recipient
    .. ',"seen_at":' .. times_json(state)
    .. (client_id ~= '' and '},"client_id":' .. client_id .. '}' or '}}')
end

-- Append the items of a page as JSON.
local function append_items(result, user, record, ids)
  local contents = call('HMGET', user .. ITEMS, unpack(ids))
  local states = call('HMGET', user .. STATES, unpack(ids))
  local recipient, last = ',"recipient":' .. recipient_json(user, record) .. ',"seen_at":', #result
  for i, id in ipairs(ids) do
    local content, sent = content_or_reference(contents[i], id), states[i] and states[i]:match('^(%d+) 0 0 0 ')
    if sent then -- most items of a page are neither seen nor archived
      result[last + i] = content .. recipient .. 'null,"sent_at":' .. sent .. ',"read_at":null,"archived_at":null}'
    else
      local state = states[i] and unpack_state(states[i]) or state_by_content(content)
      result[last + i] = content .. recipient .. times_json(state) .. '}'
    end
  end
end
