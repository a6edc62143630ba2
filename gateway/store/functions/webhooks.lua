-- Outgoing webhooks: the endpoints of a project, in its slot; the messages of an endpoint, in the endpoint's own slot; and
-- what of a user's event log has not become messages yet, in the user's slot. domain/webhook.py has the rules.

local webhooks = {} -- functions in a table

-- KEYS  webhook endpoints
-- ARGV  endpoint_id before (the record as it was read; "" if there was none) record max_endpoints
-- ->    1, also if this record is saved already; 0 if it has changed since it was read; -1 if there are too many
local function replace_webhook_endpoint(keys, args)
  local saved = call('HGET', keys[1], args[1]) or ''
  if saved == args[3] then return 1 end
  if saved ~= args[2] then return 0 end
  if saved == '' and call('HLEN', keys[1]) >= tonumber(args[4]) then return -1 end
  call('HSET', keys[1], args[1], args[3])
  return 1
end

-- KEYS  webhook endpoints
-- ARGV  endpoint_id
-- ->    1, or 0 if there was none
local function delete_webhook_endpoint(keys, args)
  return call('HDEL', keys[1], args[1])
end

-- packed: `state attempts type`, then a line for each attempt
-- ->    a message, or nil if it cannot be read
function webhooks.parse(packed)
  local state, attempts, kind, lines = packed:match('^(%l+) (%d+) (%S+)\n(.*)$')
  return state and { state = state, attempts = tonumber(attempts), kind = kind, lines = lines }
end

function webhooks.pack(message)
  return message.state .. ' ' .. integer(message.attempts) .. ' ' .. message.kind .. '\n' .. message.lines
end

function webhooks.read(endpoint, id)
  local packed = call('HGET', endpoint .. WEBHOOK_MESSAGES, id)
  return packed and webhooks.parse(packed)
end

function webhooks.write(endpoint, id, message)
  set_fields(endpoint .. WEBHOOK_MESSAGES, { id, webhooks.pack(message) })
end

function webhooks.schedule(endpoint, id, due_ms)
  if due_ms == '' then remove_members(endpoint .. WEBHOOK_DUE, { id })
  else add_member(endpoint .. WEBHOOK_DUE, due_ms, id) end
end

function webhooks.remove(endpoint, id)
  local bytes = call('HSTRLEN', endpoint .. WEBHOOK_BODIES, id)
  remove_members(endpoint .. WEBHOOK_DUE, { id })
  remove_members(endpoint .. WEBHOOK_ORDER, { id })
  remove_fields(endpoint .. WEBHOOK_MESSAGES, { id })
  remove_fields(endpoint .. WEBHOOK_BODIES, { id })
  return bytes
end

-- Remove the oldest messages: those that are too old, and those that are too many or too large together.
-- limit: how many at most
-- ->    the size of the bodies that are left
function webhooks.trim(endpoint, bytes, now_ms, keep_ms, max_messages, max_bytes, limit)
  local count = call('ZCARD', endpoint .. WEBHOOK_ORDER)
  for _, id in ipairs(call('ZRANGE', endpoint .. WEBHOOK_ORDER, 0, limit - 1)) do
    local is_old = struct.unpack('>I6', id) < now_ms - keep_ms
    if not is_old and count <= max_messages and bytes <= max_bytes then break end
    bytes, count = bytes - webhooks.remove(endpoint, id), count - 1
  end
  return bytes
end

-- KEYS  webhook endpoint
-- ARGV  now_ms keep_ms max_messages max_bytes  messages… (id, type, body of each)
-- ->    how many are new; the others are there already
local function add_webhook_messages(keys, args)
  local endpoint, now_ms, added = keys[1], tonumber(args[1]), 0
  local bytes = tonumber(call('HGET', endpoint, 'bytes') or 0)
  for i = 5, #args, 3 do
    local id, kind, body = args[i], args[i + 1], args[i + 2]
    if call('HEXISTS', endpoint .. WEBHOOK_MESSAGES, id) == 0 then
      added, bytes = added + 1, bytes + #body
      webhooks.write(endpoint, id, { state = 'pending', attempts = 0, kind = kind, lines = '' })
      set_fields(endpoint .. WEBHOOK_BODIES, { id, body })
      add_member(endpoint .. WEBHOOK_ORDER, 0, id)
      add_member(endpoint .. WEBHOOK_DUE, args[1], id)
    end
  end
  if added == 0 then return 0 end
  local keep_ms, max_messages, max_bytes = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  bytes = webhooks.trim(endpoint, bytes, now_ms, keep_ms, max_messages, max_bytes, 2 * added + 8)
  set_fields(endpoint, { 'bytes', integer(bytes) })
  local seconds = integer(keep_ms / 1000 + 86400)
  for _, suffix in ipairs({ '', WEBHOOK_MESSAGES, WEBHOOK_ORDER, WEBHOOK_DUE, WEBHOOK_BODIES }) do
    expire('EXPIRE', endpoint .. suffix, seconds)
  end
  return added
end

-- ->    failures, failing_since and resumes, each a number
function webhooks.health(endpoint)
  local found = call('HMGET', endpoint, 'failures', 'failing_since', 'resumes')
  return { tonumber(found[1] or 0), tonumber(found[2] or 0), tonumber(found[3] or 0) }
end

-- ->    the ms at which the next message is due, '' if there is none
function webhooks.next_due(endpoint)
  local first = call('ZRANGE', endpoint .. WEBHOOK_DUE, 0, 0, 'WITHSCORES')
  return first[2] or ''
end

-- KEYS  webhook endpoint
-- ->    failures failing_since resumes, the ms at which the next message is due ("" for none)
local function read_webhook_health(keys)
  local found = webhooks.health(keys[1])
  found[4] = webhooks.next_due(keys[1])
  return found
end

-- Take messages that are due. Until `leased_until` nobody else does.
-- KEYS  webhook endpoint
-- ARGV  now_ms leased_until limit
-- ->    id, type, attempts (this one included), body of each
local function take_webhook_messages(keys, args)
  local endpoint, found = keys[1], {}
  for _, id in ipairs(call('ZRANGE', endpoint .. WEBHOOK_DUE, '-inf', args[1], 'BYSCORE', 'LIMIT', 0, args[3])) do
    local message, body = webhooks.read(endpoint, id), call('HGET', endpoint .. WEBHOOK_BODIES, id)
    if not message or not body or message.state ~= 'pending' then
      webhooks.schedule(endpoint, id, '')
    else
      message.attempts = message.attempts + 1
      webhooks.write(endpoint, id, message)
      webhooks.schedule(endpoint, id, args[2])
      local last = #found
      found[last + 1], found[last + 2], found[last + 3], found[last + 4] = id, message.kind, message.attempts, body
    end
  end
  return found
end

-- Record the outcome of an attempt, and the endpoint's health after it.
-- KEYS  webhook endpoint
-- ARGV  message_id attempt state attempts (those that count) due_ms ("" if there is no next one) line max_lines
--       failures failing_since resumes
-- ->    1, or 0 if the message is gone, is delivered already, or was taken again meanwhile
local function record_webhook_attempt(keys, args)
  local endpoint, id = keys[1], args[1]
  local message = webhooks.read(endpoint, id)
  if call('EXISTS', endpoint) == 1 then
    set_fields(endpoint, { 'failures', args[8], 'failing_since', args[9], 'resumes', args[10] })
  end
  if not message or message.state ~= 'pending' then return 0 end
  if args[3] ~= 'delivered' and message.attempts ~= tonumber(args[2]) then return 0 end
  local lines = {}
  for line in message.lines:gmatch('[^\n]+') do lines[#lines + 1] = line end
  lines[#lines + 1] = args[6]
  local first = math.max(1, #lines - tonumber(args[7]) + 1)
  message.state, message.attempts = args[3], tonumber(args[4])
  message.lines = table.concat(lines, '\n', first)
  webhooks.write(endpoint, id, message)
  webhooks.schedule(endpoint, id, args[5])
  return 1
end

-- Begin the schedule of a message again. Its attempts stay listed.
-- KEYS  webhook endpoint
-- ARGV  message_id now_ms
-- ->    1, or 0 if there is no such message
local function retry_webhook_message(keys, args)
  local message = webhooks.read(keys[1], args[1])
  if not message or call('HEXISTS', keys[1] .. WEBHOOK_BODIES, args[1]) == 0 then return 0 end
  message.state, message.attempts = 'pending', 0
  webhooks.write(keys[1], args[1], message)
  webhooks.schedule(keys[1], args[1], args[2])
  return 1
end

-- Forget the failures of an endpoint, so that messages are sent to it again.
-- KEYS  webhook endpoint
-- ->    the ms at which the next message is due, "" for none
local function resume_webhook_endpoint(keys)
  remove_fields(keys[1], { 'failures', 'failing_since', 'resumes' })
  return webhooks.next_due(keys[1])
end

-- KEYS  webhook endpoint
-- ->    how many keys were deleted
local function clear_webhook_endpoint(keys)
  local endpoint = keys[1]
  local suffixes = { WEBHOOK_MESSAGES, WEBHOOK_ORDER, WEBHOOK_DUE, WEBHOOK_BODIES }
  for i, suffix in ipairs(suffixes) do suffixes[i] = endpoint .. suffix end
  return call('UNLINK', endpoint, unpack(suffixes))
end

-- ->    id, packed message, the ms at which it is due ("" if it is not)
function webhooks.row(endpoint, id)
  return { id, call('HGET', endpoint .. WEBHOOK_MESSAGES, id) or '', call('ZSCORE', endpoint .. WEBHOOK_DUE, id) or '' }
end

-- KEYS  webhook endpoint
-- ARGV  limit newest_first ("1" or "0") cursor (an id, which the page follows; "" for the first page)
-- ->    of each message: id, packed message, the ms at which it is due ("" if it is not)
local function list_webhook_messages(keys, args)
  local command, last, cursor = 'ZRANGEBYLEX', '+', '-'
  if args[2] == '1' then command, last, cursor = 'ZREVRANGEBYLEX', '-', '+' end
  if args[3] ~= '' then cursor = '(' .. args[3] end
  local rows = {}
  for i, id in ipairs(call(command, keys[1] .. WEBHOOK_ORDER, cursor, last, 'LIMIT', 0, args[1])) do
    rows[i] = webhooks.row(keys[1], id)
  end
  return rows
end

-- KEYS  webhook endpoint
-- ARGV  message_id
-- ->    as of `list_webhook_messages`, and its body; nothing if there is no such message
local function read_webhook_message(keys, args)
  local row = webhooks.row(keys[1], args[1])
  if row[2] == '' then return {} end
  row[4] = call('HGET', keys[1] .. WEBHOOK_BODIES, args[1]) or ''
  return row
end

-- Read the events of a user that have not become messages of webhooks.
-- KEYS  user
-- ARGV  max_events
-- ->    external_id and email (each JSON or ""), the offset of the last event that became messages ("" for none), then
--       published messages, oldest first; nothing for a deleted user
local function read_webhook_events(keys, args)
  local record = call('HMGET', keys[1], 'external_id', 'email', 'webhooks_at', 'deleted')
  if record[4] then return {} end
  -- Offsets grow even where an epoch ends, so the epoch does not matter here.
  local found, after = { record[1] or '', record[2] or '', record[3] or '' }, '-'
  if record[3] then after = integer(tonumber(record[3]) + 1) end
  for _, entry in ipairs(call('XRANGE', keys[1] .. LOG, after, '+', 'COUNT', args[1])) do
    found[#found + 1] = entry[2][2]
  end
  return found
end

-- KEYS  user
-- ARGV  offset
-- ->    1, or 0 for a deleted user
local function note_webhook_events(keys, args)
  local record = call('HMGET', keys[1], 'epoch', 'webhooks_at')
  if not record[1] then return 0 end
  if tonumber(args[1]) > tonumber(record[2] or 0) then call('HSET', keys[1], 'webhooks_at', args[1]) end
  return 1
end
