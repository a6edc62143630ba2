-- Lanes: which users have entries to deliver, by project and route. See store/lanes.py. A lane is named
-- `project:route`. Its users are in a sorted set by the ms at which they are due. A user that is claimed has the end of
-- its lease as the score, with a fraction; every other score of a user is an integer. So `done` recognizes whether the
-- user became due meanwhile.
--
-- A lane with users is in READY (by virtual time) or in WAITING (by the ms at which it is to be moved to READY), or it is
-- PARKED. A lane may be moved too early, never too late: it is written there before its users are. Each function writes
-- in such an order that what it has written is complete by itself. So nothing has to be undone, and repeating it
-- completes the rest.

local lanes = {
  marks_at_once = 100, lanes_at_once = 64, users_of_lane = 100,
  fractions = 997, -- of a millisecond, by the number of the claim
  seconds = 7 * 24 * 3600, -- how long the state of a lane without news is kept
  failures = 5, first_pause_ms = 10000, longest_pause_ms = 300000, -- when the breaker opens, and for how long
  blame_window_ms = 60000, dead_users = 10, doubted_users = 3, id_bytes = 16,
}

function lanes.is_lease(score) return score % 1 ~= 0 end

function lanes.project_of(lane) return lane:sub(1, -3) end

-- Announce to the processes that deliver that a lane of the shard may have due users. They also look by themselves.
function lanes.announce(shard) try('SPUBLISH', shard, '') end

-- Have a lane moved to READY at a time, unless it is moved earlier.
function lanes.wake(shard, lane, at)
  if call('ZSCORE', shard .. READY, lane) then return end
  local known = tonumber(call('ZSCORE', shard .. WAITING, lane) or nil)
  if known and known <= at or call('ZSCORE', shard .. PARKED, lane) then return end
  at = math.max(at, tonumber(call('HGET', shard .. LANE .. lane, 'not_before') or 0))
  if not known or known > at then
    call('ZADD', shard .. WAITING, integer(math.ceil(at)), lane)
    if at <= now_ms() then lanes.announce(shard) end
  end
end

-- Write when a user is due, unless it is due earlier. The claim that holds a user must not remove it afterwards.
function lanes.add(shard, lane, user, due)
  lanes.wake(shard, lane, due)
  local key = shard .. DUE .. lane
  local known = tonumber(call('ZSCORE', key, user) or nil)
  if not known or known > due then
    call('ZADD', key, integer(due), user)
  elseif lanes.is_lease(known) then
    call('ZADD', key, integer(math.floor(known) + 1), user)
  end
end

function lanes.unmark(shard, args, rest)
  for i = 4, #args do try('ZREM', shard .. MARKS, args[i] .. rest) end
  if try('HINCRBY', shard, 'marks', -1) == 0 then try('HDEL', shard, 'marks') end
end

-- KEYS  lanes
-- ARGV  project_id routes (their codes) delay_ms users… (16 bytes each)
-- ->    the number of the marks, which tells them from those of other requests
local function mark_users(keys, args)
  local at = integer(now_ms() + tonumber(args[3]))
  local number = call('HINCRBY', keys[1], 'marks', 1)
  local rest = args[1] .. ' ' .. args[2] .. ' ' .. integer(number)
  push_undo(lanes.unmark, keys[1], args, rest)
  for i = 4, #args do call('ZADD', keys[1] .. MARKS, at, args[i] .. rest) end
  return number
end

-- KEYS  lanes
-- ARGV  marks… (user, 16 bytes; `project routes number`; and ` route:delay_ms` for each route that has an entry)
-- ->    1
local function hasten_users(keys, args)
  local shard, now = keys[1], now_ms()
  for i = 1, #args, 3 do
    if args[i + 2] ~= '' then
      local project = args[i + 1]:match('^%S+')
      for route, delay in args[i + 2]:gmatch('(%l):(%d+)') do
        lanes.add(shard, project .. ':' .. route, args[i], now + tonumber(delay))
      end
    end
    call('ZREM', shard .. MARKS, args[i] .. args[i + 1])
  end
  return 1
end

-- KEYS  lanes
-- ARGV  lane user (16 bytes) due_ms (0 for now)
-- ->    1
local function add_to_lane(keys, args)
  lanes.add(keys[1], args[1], args[2], math.max(tonumber(args[3]), now_ms()))
  return 1
end

-- Make users due whose marks nobody has removed.
function lanes.fire_marks(shard, now)
  local fired = call('ZRANGE', shard .. MARKS, '-inf', integer(now), 'BYSCORE', 'LIMIT', 0, lanes.marks_at_once)
  for _, mark in ipairs(fired) do
    local project, routes = mark:sub(17):match('^(%S+) (%S+) ')
    for route in routes:gmatch('%l') do lanes.add(shard, project .. ':' .. route, mark:sub(1, 16), now) end
    call('ZREM', shard .. MARKS, mark)
  end
end

-- Move the lanes whose time has come to READY. A project that was idle has no advantage by that: it begins at the
-- virtual time of the lane that was served last.
function lanes.move_ready(shard, now)
  local found = call('ZRANGE', shard .. WAITING, '-inf', integer(now), 'BYSCORE', 'LIMIT', 0, lanes.lanes_at_once)
  for _, lane in ipairs(found) do
    local known = call('HMGET', shard, '', 'v' .. lanes.project_of(lane))
    call('ZADD', shard .. READY, 'NX', integer(math.max(tonumber(known[1] or 0), tonumber(known[2] or 0))), lane)
    call('ZREM', shard .. WAITING, lane)
  end
end

-- Move a lane from READY to WAITING.
function lanes.rest(shard, lane, at)
  call('ZADD', shard .. WAITING, integer(math.ceil(at)), lane)
  call('ZREM', shard .. READY, lane)
end

lanes.fields = { 'not_before', 'rate', 'burst', 'tokens', 'at', 'half' }

-- ->    the state of a lane, with `ready_at`, and `most`: how many users may be claimed
function lanes.limits(shard, lane, now)
  local read = call('HMGET', shard .. LANE .. lane, unpack(lanes.fields))
  local state = { ready_at = tonumber(read[1] or 0), most = lanes.users_of_lane, is_half_open = read[6] and true or false }
  local rate, burst = tonumber(read[2] or 0), tonumber(read[3] or 1)
  if rate > 0 then
    local passed = math.max(0, now - tonumber(read[5] or now))
    state.tokens = math.min(burst, tonumber(read[4] or burst) + passed * rate / 1000)
    if state.tokens < 1 then state.ready_at = math.max(state.ready_at, now + (1 - state.tokens) * 1000 / rate) end
    state.most = math.min(state.most, math.floor(state.tokens))
  end
  if state.is_half_open then state.most = math.min(state.most, 1) end
  return state
end

-- Write what a claim of some users changes in the state of its lane.
function lanes.spend(shard, lane, state, count, now, lease_ms)
  local key, fields = shard .. LANE .. lane, {}
  if state.tokens then fields = { 'tokens', tostring(state.tokens - count), 'at', integer(now) } end
  if state.is_half_open then -- nobody else tries before the report of this claim
    fields[#fields + 1], fields[#fields + 2] = 'not_before', integer(now + lease_ms)
  end
  if #fields == 0 then return end
  call('HSET', key, unpack(fields))
  call('EXPIRE', key, lanes.seconds)
end

-- Claim users of the first lane of READY, or move it to where it belongs.
-- ->    how many users were claimed
function lanes.claim_first(shard, lane, virtual, most, now, lease_ms, result)
  local project = lanes.project_of(lane)
  local due, served = shard .. DUE .. lane, tonumber(call('HGET', shard, 'v' .. project) or 0)
  if served > virtual then -- another lane of the project was served meanwhile
    call('ZADD', shard .. READY, integer(served), lane)
    return 0
  end
  local state = lanes.limits(shard, lane, now)
  if state.ready_at > now then
    lanes.rest(shard, lane, state.ready_at)
    return 0
  end
  local users = call('ZRANGE', due, '-inf', integer(now), 'BYSCORE', 'LIMIT', 0, math.min(most, state.most))
  if #users > 0 then
    local number = integer(math.max(tonumber(call('HGET', shard, 'claim') or 0) + 1, now))
    local score = integer(now + lease_ms) .. ('.%03d'):format(tonumber(number) % lanes.fractions + 1)
    call('HSET', shard, 'claim', number, '', integer(virtual), 'v' .. project, integer(virtual + #users))
    lanes.spend(shard, lane, state, #users, now, lease_ms)
    local leases = {}
    for i, user in ipairs(users) do leases[2 * i - 1], leases[2 * i] = score, user end
    call('ZADD', due, unpack(leases))
    for _, part in ipairs({ lane, number, score, state.is_half_open and 1 or 0, table.concat(users) }) do
      result[#result + 1] = part
    end
  end
  local first = call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
  if not first then
    call('ZREM', shard .. READY, lane)
    if served <= tonumber(call('HGET', shard, '') or 0) then call('HDEL', shard, 'v' .. project) end
  elseif tonumber(first) <= now then
    call('ZADD', shard .. READY, integer(virtual + #users), lane)
  else
    lanes.rest(shard, lane, tonumber(first))
  end
  return #users
end

-- KEYS  lanes
-- ARGV  limit lease_ms
-- ->    the ms until there may be more, at most 1000; then of each claim its lane, number, score of its users, 1 if it is
--       a probe or 0, and the users, 16 bytes each
local function claim_users(keys, args)
  local shard, left, lease_ms, now = keys[1], tonumber(args[1]), tonumber(args[2]), now_ms()
  local result = { 0 }
  lanes.fire_marks(shard, now)
  lanes.move_ready(shard, now)
  for _ = 1, lanes.lanes_at_once do
    local first = call('ZRANGE', shard .. READY, 0, 0, 'WITHSCORES')
    if left <= 0 or not first[1] then break end
    left = left - lanes.claim_first(shard, first[1], tonumber(first[2]), left, now, lease_ms, result)
  end
  if not call('ZRANGE', shard .. READY, 0, 0)[1] then
    local lane = tonumber(call('ZRANGE', shard .. WAITING, 0, 0, 'WITHSCORES')[2] or now + 1000)
    local mark = tonumber(call('ZRANGE', shard .. MARKS, 0, 0, 'WITHSCORES')[2] or now + 1000)
    result[1] = math.ceil(math.max(0, math.min(1000, lane - now, mark - now)))
  end
  return result
end

-- KEYS  lanes
-- ARGV  lane number score (of the users) lease_ms users… (16 bytes each)
-- ->    the new score of the users, and those who are still held, 16 bytes each
local function extend_claim(keys, args)
  local key, known, held = keys[1] .. DUE .. args[1], tonumber(args[3]), {}
  local score = integer(now_ms() + tonumber(args[4])) .. ('.%03d'):format(tonumber(args[2]) % lanes.fractions + 1)
  for i = 5, #args do
    if tonumber(call('ZSCORE', key, args[i]) or 0) == known then
      call('ZADD', key, score, args[i])
      held[#held + 1] = args[i]
    end
  end
  return { score, table.concat(held) }
end

-- Park a lane. Its users stay.
function lanes.park(shard, lane, reason, now)
  local key = shard .. LANE .. lane
  call('HSETNX', key, 'reason', reason)
  call('PERSIST', key)
  local parked = call('ZADD', shard .. PARKED, 'NX', integer(now), lane)
  call('ZREM', shard .. READY, lane)
  call('ZREM', shard .. WAITING, lane)
  return parked
end

-- ->    fields to write and to remove, by which the breaker opens, closes or stays as it is
function lanes.breaker(state, delivered, failed, now)
  if delivered > 0 then
    if state.half then return {}, { 'failures', 'opened', 'half', 'not_before' } end
    return {}, state.failures and { 'failures' } or {}
  elseif failed == 0 then
    return {}, state.half and { 'not_before' } or {} -- the probe sent nothing, so another user is the next one
  end
  local failures = tonumber(state.failures or 0) + failed
  if not state.half and failures < lanes.failures then return { 'failures', integer(failures) }, {} end
  local opened = tonumber(state.opened or 0) + 1
  local pause = math.min(lanes.longest_pause_ms, lanes.first_pause_ms * 2 ^ math.min(opened - 1, 10))
  return {
    'failures', integer(failures), 'opened', integer(opened), 'half', '1', 'not_before', integer(now + pause),
  }, {}
end

-- Write what a lane learns from a claim that ended.
function lanes.learn(shard, lane, claimed, args, now)
  local key, state = shard .. LANE .. lane, {}
  local names = { 'failures', 'opened', 'half', 'rate', 'burst', 'tokens', 'minute', 'fine' }
  for i, value in ipairs(call('HMGET', key, unpack(names))) do state[names[i]] = value or nil end
  local messages, delivered, failed = tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
  local fields, removed = lanes.breaker(state, delivered, failed, now)
  local function set(name, value) fields[#fields + 1], fields[#fields + 2] = name, value end
  if tonumber(args[6]) > now then set('not_before', args[6]) end
  if args[7] ~= '' and (args[7] ~= (state.rate or '0') or args[8] ~= (state.burst or '1')) then
    set('rate', args[7])
    set('burst', args[8])
    set('tokens', tostring(tonumber(args[8]) - messages))
    set('at', integer(now))
  elseif state.tokens and messages ~= claimed then
    set('tokens', tostring(tonumber(state.tokens) + claimed - messages))
  end
  if state.half or state.tokens and messages < claimed then -- the lane may be ready earlier
    call('ZADD', shard .. WAITING, 'XX', 'LT', integer(now), lane)
  end
  local arrived = tonumber(args[9])
  if state.minute and arrived > 0 then set('fine', integer(tonumber(state.fine or 0) + arrived)) end
  if #removed > 0 then call('HDEL', key, unpack(removed)) end
  if #fields > 0 then
    call('HSET', key, unpack(fields))
    if not call('ZSCORE', shard .. PARKED, lane) then call('EXPIRE', key, lanes.seconds) end
  end
end

-- KEYS  lanes
-- ARGV  lane score (of the users) messages delivered failed not_before_ms per_second ("" to leave it) burst
--       arrived claimed (how many users the claim had) users… (16 bytes, and when the user is due next in ms, or "")
-- ->    1
local function end_claim(keys, args)
  local shard, lane, score, now = keys[1], args[1], tonumber(args[2]), now_ms()
  local key = shard .. DUE .. lane
  lanes.learn(shard, lane, tonumber(args[10]), args, now)
  local users, ended, claimed, first = {}, {}, {}, nil
  for i = 11, #args, 2 do users[#users + 1] = args[i] end
  local scores = #users > 0 and call('ZMSCORE', key, unpack(users)) or {}
  for i, user in ipairs(users) do
    local due, known = tonumber(args[10 + 2 * i]), tonumber(scores[i] or nil)
    if due and known == score then
      first = math.min(first or due, due)
      claimed[#claimed + 1], claimed[#claimed + 2] = integer(due), user
    elseif due then
      lanes.add(shard, lane, user, due)
    elseif known == score then
      ended[#ended + 1] = user
    end
  end
  if first then
    lanes.wake(shard, lane, first)
    call('ZADD', key, unpack(claimed))
  end
  if #ended > 0 then call('ZREM', key, unpack(ended)) end
  return 1
end

-- Add users to a list of ids, each once, and no more than decide.
function lanes.with_users(ids, args, first)
  local known = {}
  for i = 1, #ids, lanes.id_bytes do known[ids:sub(i, i + lanes.id_bytes - 1)] = true end
  for i = first, #args do
    if #ids < lanes.id_bytes * lanes.dead_users and not known[args[i]] then
      known[args[i]] = true
      ids = ids .. args[i]
    end
  end
  return ids
end

-- KEYS  lanes
-- ARGV  lane arrived dead_reason doubted_reason #dead dead… doubted… (users, 16 bytes each)
-- ->    the reason for which the lane is parked, or "": the destinations of these users alone are at fault
local function blame_destinations(keys, args)
  local shard, lane, now = keys[1], args[1], now_ms()
  local key, dead_now = shard .. LANE .. lane, tonumber(args[5])
  if call('ZSCORE', shard .. PARKED, lane) then return call('HGET', key, 'reason') or args[3] end
  local state = call('HMGET', key, 'minute', 'dead', 'fine', 'blamed')
  local began = tonumber(state[1] or 0)
  if math.abs(now - began) > lanes.blame_window_ms then began, state = now, {} end
  local dead = tonumber(state[2] or 0) + dead_now
  local fine = tonumber(state[3] or 0) + tonumber(args[2])
  local blamed = lanes.with_users(state[4] or '', args, 6)
  call('HSET', key, 'minute', integer(began), 'dead', integer(dead), 'fine', integer(fine), 'blamed', blamed)
  call('EXPIRE', key, lanes.seconds)
  local users = #blamed / lanes.id_bytes
  local reason = ''
  if dead_now > 0 and users >= lanes.dead_users and dead > fine then reason = args[3] end
  if #args > 5 + dead_now and users >= lanes.doubted_users and fine == 0 then reason = args[4] end
  if reason ~= '' then lanes.park(shard, lane, reason, now) end
  return reason
end

-- KEYS  lanes
-- ARGV  lane reason
-- ->    1, or 0 if it was parked already
local function park_lane(keys, args)
  return lanes.park(keys[1], args[1], args[2], now_ms())
end

-- KEYS  lanes
-- ARGV  lane
-- ->    1, or 0 if it was not parked
local function unpark_lane(keys, args)
  local shard, lane = keys[1], args[1]
  local key = shard .. LANE .. lane
  call('HDEL', key, 'reason', 'failures', 'opened', 'half', 'not_before', 'minute', 'dead', 'fine', 'blamed')
  if not call('ZSCORE', shard .. PARKED, lane) then return 0 end
  call('EXPIRE', key, lanes.seconds)
  call('ZADD', shard .. WAITING, 0, lane)
  call('ZREM', shard .. PARKED, lane)
  lanes.announce(shard)
  return 1
end

-- ->    lane, users, due_ms of the first one, not_before, failures, 1 if the breaker is open or 0, reason and ms of being
--       parked
function lanes.status(shard, lane)
  local due = shard .. DUE .. lane
  local state = call('HMGET', shard .. LANE .. lane, 'not_before', 'failures', 'half', 'reason')
  local parked = call('ZSCORE', shard .. PARKED, lane)
  local first = call('ZRANGE', due, 0, 0, 'WITHSCORES')[2] or '0'
  return {
    lane, call('ZCARD', due), integer(math.floor(tonumber(first))), state[1] or '0', state[2] or '0', state[3] and 1 or 0,
    parked and (state[4] or 'unknown') or '', parked or '0',
  }
end

-- KEYS  lanes
-- ARGV  names…
-- ->    the status of each of these lanes that has users or is parked
local function read_lanes(keys, args)
  local result = {}
  for _, lane in ipairs(args) do
    local status = lanes.status(keys[1], lane)
    if status[2] > 0 or status[7] ~= '' then result[#result + 1] = status end
  end
  return result
end

-- KEYS  lanes
-- ARGV  limit
-- ->    the status of lanes: those that are parked, then those with users, those that are due first
local function list_lanes(keys, args)
  local result, limit = {}, tonumber(args[1])
  for _, name in ipairs({ PARKED, READY, WAITING }) do
    if #result >= limit then break end
    for _, lane in ipairs(call('ZRANGE', keys[1] .. name, 0, limit - #result - 1)) do
      result[#result + 1] = lanes.status(keys[1], lane)
    end
  end
  return result
end

-- KEYS  lanes
-- ARGV  project_id names… (of its lanes)
-- ->    1
local function delete_lanes(keys, args)
  local shard = keys[1]
  for i = 2, #args do
    for _, name in ipairs({ READY, WAITING, PARKED }) do call('ZREM', shard .. name, args[i]) end
    call('UNLINK', shard .. DUE .. args[i], shard .. LANE .. args[i])
  end
  call('HDEL', shard, 'v' .. args[1])
  return 1
end

-- A destination: `tat held`, the time from which the next message would be in the rate (the theoretical arrival time of
-- GCRA), and the time before which nothing may be sent, both in ms.

function lanes.destination(key)
  local tat, held = (call('GET', key) or '0 0'):match('^(%S+) (%S+)$')
  return tonumber(tat), tonumber(held)
end

function lanes.save_destination(key, tat, held, now)
  local left = math.max(tat, held) - now
  call('SET', key, ('%.3f %.0f'):format(tat, held), 'PX', integer(math.max(1000, math.ceil(left))))
end

-- KEYS  destination
-- ARGV  period_ms burst max_wait_ms
-- ->    1 if a message is reserved or 0, and in how many ms it may be sent, or another may be asked for
local function reserve_destination(keys, args)
  local period, now = tonumber(args[1]), now_ms()
  local tat, held = lanes.destination(keys[1])
  local earliest = math.max(now, held)
  local start = math.max(earliest, tat)
  local wait = math.ceil(math.max(start - (tonumber(args[2]) - 1) * period, earliest) - now)
  if wait > tonumber(args[3]) then return { 0, wait } end
  lanes.save_destination(keys[1], start + period, held, now)
  return { 1, wait }
end

-- KEYS  destination
-- ARGV  until_ms
-- ->    1
local function hold_destination(keys, args)
  local tat, held = lanes.destination(keys[1])
  lanes.save_destination(keys[1], tat, math.max(held, tonumber(args[1])), now_ms())
  return 1
end
