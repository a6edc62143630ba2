-- Jobs: work that is accepted now and performed later, in steps, by the worker that claims it. See store/job_queue.py.

-- The queue, in a slot of its own. A claim is a number that only grows; the latest claim of a job holds it.

-- KEYS  queue
-- ARGV  entry now_ms (from when it may be claimed)
-- ->    1, or 0 if it was enqueued already
local function enqueue_job(keys, args)
  return call('ZADD', keys[1], 'NX', args[2], args[1])
end

-- KEYS  queue
-- ARGV  now_ms lease_ms longest_ms (how far in the future an entry may be due)
-- ->    the job that has waited longest, and the number of its claim; or nothing
local function claim_job(keys, args)
  local queue, now = keys[1], tonumber(args[1])
  local job = call('ZRANGE', queue, '-inf', args[1], 'BYSCORE', 'LIMIT', 0, 1)[1]
    -- Or a job whose time is too far in the future, because a clock that was ahead wrote it.
    or call('ZRANGE', queue, integer(now + tonumber(args[3])), '+inf', 'BYSCORE', 'LIMIT', 0, 1)[1]
  if not job then return false end
  -- The number is at least the time, so that a queue that lost its last writes assigns no number twice.
  local claim = integer(math.max(tonumber(call('HGET', queue .. CLAIMS, '') or 0) + 1, now))
  set_fields(queue .. CLAIMS, { '', claim, job, claim })
  call('ZADD', queue, integer(now + tonumber(args[2])), job)
  return { job, claim }
end

-- KEYS  queue
-- ARGV  entry number now_ms lease_ms
-- ->    how many jobs wait to be claimed, or -1 if another claim holds this one
local function renew_job(keys, args)
  if call('HGET', keys[1] .. CLAIMS, args[1]) ~= args[2] then return -1 end
  local step = members_restorer(keys[1], { args[1] })
  call('ZADD', keys[1], 'XX', integer(tonumber(args[3]) + tonumber(args[4])), args[1])
  push_undo(step)
  return call('ZCOUNT', keys[1], '-inf', args[3])
end

-- KEYS  queue
-- ARGV  entry number due_ms (from when it may be claimed again)
-- ->    1, or 0 if another claim holds it
local function release_job(keys, args)
  if call('HGET', keys[1] .. CLAIMS, args[1]) ~= args[2] then return 0 end
  remove_fields(keys[1] .. CLAIMS, { args[1] })
  call('ZADD', keys[1], 'XX', args[3], args[1])
  return 1
end

-- KEYS  queue
-- ARGV  entry number (of the claim)
-- ->    1, or 0 if another claim holds it
local function drop_job(keys, args)
  if call('HGET', keys[1] .. CLAIMS, args[1]) ~= args[2] then return 0 end
  remove_fields(keys[1] .. CLAIMS, { args[1] })
  call('ZREM', keys[1], args[1])
  return 1
end

-- The record of a job, in its project's slot.

-- KEYS  job
-- ARGV  kind version (of its plan) payload created_ms keep_seconds portions…
-- ->    1, or 0 if it existed already
local function create_job(keys, args)
  local job = keys[1]
  if call('EXISTS', job) == 1 then return 0 end
  call('HSET', job, 'format', FORMAT, 'kind', args[1], 'version', args[2], 'payload', args[3], 'created_ms', args[4],
    'status', 'enqueued', 'cursor', '', 'steps', 0, 'claim', 0, 'attempts', 0)
  push_undo(function() try('DEL', job, job .. PORTIONS) end)
  call('EXPIRE', job, args[5])
  for first = 6, #args, CHUNK do
    call('RPUSH', job .. PORTIONS, unpack(args, first, math.min(first + CHUNK - 1, #args)))
  end
  if #args >= 6 then call('EXPIRE', job .. PORTIONS, args[5]) end
  return 1
end

-- KEYS  jobs of a kind
-- ARGV  job_id created_ms keep_seconds max_listed job_prefix (what precedes an id in the key of a job)
-- ->    1
-- Add a job to its project's list. If there are too many, remove the oldest ones, up to the first that is not finished.
local function list_job(keys, args)
  local key = keys[1]
  local oldest = math.min(tonumber(args[2]), now_ms()) - 1000 * tonumber(args[3])
  if call('ZADD', key, 'NX', args[2], args[1]) == 1 then push_undo(function() try('ZREM', key, args[1]) end) end
  call('EXPIRE', key, args[3])
  commit()
  -- Repeating the call completes the rest.
  call('ZREMRANGEBYSCORE', key, '-inf', '(' .. integer(oldest))
  local surplus = call('ZCARD', key) - tonumber(args[4])
  if surplus <= 0 then return 1 end
  for _, id in ipairs(call('ZRANGE', key, 0, surplus - 1)) do
    local job = args[5] .. id
    local status = call('HGET', job, 'status')
    if status and status ~= 'processed' and status ~= 'cancelled' then return 1 end
    call('UNLINK', job, job .. ERRORS, job .. REACHED)
    call('ZREM', key, id)
  end
  return 1
end

-- KEYS  jobs of a kind
-- ARGV  oldest_ms rank limit
-- ->    how many there are, then the ids of a page, newest first
local function find_jobs(keys, args)
  return {
    call('ZCOUNT', keys[1], args[1], '+inf'),
    unpack(call('ZRANGE', keys[1], '+inf', args[1], 'BYSCORE', 'REV', 'LIMIT', args[2], args[3])),
  }
end

-- KEYS  jobs of a kind
-- ARGV  oldest_ms size way ("after", "before" or "") cursor (a job id; one that is no longer listed was the oldest)
-- ->    1 if there are newer jobs or 0, 1 if there are older ones or 0, then the ids of a page, newest first
local function page_jobs(keys, args)
  local key, size, way = keys[1], tonumber(args[2]), args[3]
  local count = call('ZCOUNT', key, args[1], '+inf')
  local place = way ~= '' and math.min(call('ZREVRANK', key, args[4]) or count, count)
  local first = way == 'after' and place + 1 or way == 'before' and math.max(0, place - size) or 0
  local last = math.min(way == 'before' and place or first + size, count) - 1
  local result = { first > 0 and 1 or 0, last < count - 1 and 1 or 0 }
  if last < first then return result end
  for _, id in ipairs(call('ZRANGE', key, first, last, 'REV')) do result[#result + 1] = id end
  return result
end

local COUNTS = { 'total', 'created', 'updated', 'failures' }

-- KEYS  job
-- ->    kind, payload, status, created_ms, errors as one JSON array, version of its plan, then count name, count, …;
--       or nothing
local function read_job(keys)
  local job = keys[1]
  local field = call('HMGET', job, 'kind', 'payload', 'status', 'created_ms', 'format', 'version')
  if not field[1] then return false end
  if field[5] ~= FORMAT then fail_by_format('a job', field[5]) end
  local errors = call('LRANGE', job .. ERRORS, 0, -1)
  local result = { field[1], field[2], field[3], field[4], '[' .. table.concat(errors, ',') .. ']', field[6] or '1' }
  for i, count in ipairs(call('HMGET', job, unpack(COUNTS))) do
    result[#result + 1] = COUNTS[i]
    result[#result + 1] = count or '0'
  end
  return result
end

-- KEYS  job
-- ARGV  index (from 0)
-- ->    the portion, or nothing after the last
local function read_portion(keys, args)
  return call('LINDEX', keys[1] .. PORTIONS, args[1])
end

-- KEYS  job
-- ARGV  first count
-- ->    how many users were reached, and the ids of some of them, 16 bytes each
local function read_reached(keys, args)
  local first, key = tonumber(args[1]), keys[1] .. REACHED
  return {
    call('STRLEN', key) / 16,
    call('GETRANGE', key, integer(first * 16), integer((first + tonumber(args[2])) * 16 - 1)),
  }
end

-- KEYS  job
-- ARGV  number (of the claim) known_version (the newest version of a plan that the caller can follow)
-- ->    kind, payload, cursor, steps, created_ms, attempts since the last step (this one included), 1 if it was
--       cancelled or 0;
--       "lost" to a later claim; "processed"; "newer" than the caller, and then nothing was written;
--       or nothing if there is no such job
local function start_job(keys, args)
  local job = keys[1]
  local field = call('HMGET', job, 'kind', 'payload', 'cursor', 'steps', 'created_ms', 'status', 'claim', 'attempts',
    'format', 'version')
  if not field[1] then return false end
  if field[9] ~= FORMAT then fail_by_format('a job', field[9]) end
  if field[6] == 'processed' then return { 'processed' } end
  if tonumber(field[7]) > tonumber(args[1]) then return { 'lost' } end
  -- A record without a version was written before plans had versions.
  if tonumber(field[10] or 1) > tonumber(args[2]) then return { 'newer' } end
  local attempts = integer(tonumber(field[8]) + (field[7] ~= args[1] and 1 or 0))
  local is_cancelled = field[6] == 'cancelled'
  call('HSET', job, 'claim', args[1], 'status', is_cancelled and 'cancelled' or 'processing', 'attempts', attempts)
  return { field[1], field[2], field[3], field[4], field[5], attempts, is_cancelled and 1 or 0 }
end

-- KEYS  job
-- ARGV  kind version (the first one of gateways that know cancelled jobs)
-- ->    the status that the job has now: "cancelled", or "processed" if it was done before; or nothing if there is no
--       such job of this kind
-- The version keeps earlier gateways from continuing the job.
local function cancel_job(keys, args)
  local job = keys[1]
  local field = call('HMGET', job, 'kind', 'status', 'format', 'version')
  if field[1] ~= args[1] then return false end
  if field[3] ~= FORMAT then fail_by_format('a job', field[3]) end
  if field[2] == 'processed' or field[2] == 'cancelled' then return field[2] end
  local version = math.max(tonumber(field[4] or 1), tonumber(args[2]))
  call('HSET', job, 'status', 'cancelled', 'version', integer(version))
  return 'cancelled'
end

-- KEYS  job
-- ARGV  claim number (of this step) cursor max_errors reached (the ids of users, 16 bytes each) status (which the
--       caller knows: "processing" or "cancelled") #counts (pairs) counts… (name, by how much) errors… (JSON)
-- ->    1; 0 if another claim has taken over; 2 if the job was cancelled, which the caller does not know, and then
--       nothing was written
-- A step is saved once, even if the call is repeated.
local function save_job(keys, args)
  local job, claim, step = keys[1], args[1], tonumber(args[2])
  local field = call('HMGET', job, 'claim', 'steps', 'status')
  if field[1] ~= claim then return 0 end
  if field[3] ~= args[6] then return field[3] == 'cancelled' and 2 or 0 end
  if tonumber(field[2]) == step then return 1 end
  if tonumber(field[2]) ~= step - 1 then return 0 end
  local left, errors = call('PTTL', job), 8 + 2 * tonumber(args[7])
  local set = { 'steps', args[2], 'cursor', args[3], 'attempts', 0 }
  for i = 8, errors - 1, 2 do
    set[#set + 1], set[#set + 2] = args[i], integer(tonumber(call('HGET', job, args[i]) or 0) + args[i + 1])
  end
  set_fields(job, set)
  if args[5] ~= '' then
    write_range(job .. REACHED, call('STRLEN', job .. REACHED), args[5])
    expire('PEXPIRE', job .. REACHED, left)
  end
  local known = call('LLEN', job .. ERRORS)
  local last = math.min(#args, errors + tonumber(args[4]) - known - 1)
  if last >= errors then
    push_undo(function()
      if known == 0 then try('DEL', job .. ERRORS) else try('LTRIM', job .. ERRORS, 0, known - 1) end
    end)
    for first = errors, last, CHUNK do
      call('RPUSH', job .. ERRORS, unpack(args, first, math.min(first + CHUNK - 1, last)))
    end
    call('PEXPIRE', job .. ERRORS, left)
  end
  return 1
end

-- KEYS  job
-- ARGV  claim reason ("", or JSON of the reason for giving it up) kept (1 to keep the record, or 0)
-- ->    1, or 0 if another claim has taken over
local function finish_job(keys, args)
  local job = keys[1]
  local field = call('HMGET', job, 'claim', 'status')
  if field[1] ~= args[1] then return 0 end
  if field[2] == 'processed' then return 1 end
  if args[3] == '0' then
    call('UNLINK', job, job .. PORTIONS, job .. ERRORS, job .. REACHED)
    return 1
  end
  -- A cancelled job keeps its status.
  if field[2] ~= 'cancelled' then set_fields(job, { 'status', 'processed' }) end
  if args[2] ~= '' then
    local errors, left = job .. ERRORS, call('PTTL', job)
    -- The reason is put first, because the other errors, which are bounded, matter less.
    call('LPUSH', errors, args[2])
    push_undo(function() try('LPOP', errors) end)
    expire('PEXPIRE', errors, left)
  end
  call('UNLINK', job .. PORTIONS)
  return 1
end
