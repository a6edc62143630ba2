-- Jobs: what is accepted now and done later, in steps, by whichever worker claims it. store/jobs.py tells how.

-- The queue, in a slot of its own. A claim is a number that only grows; the last one to claim a job holds it.

-- KEYS  queue
-- ARGV  job, ms from which it may be claimed
-- ->    1, or 0 when it was there already
local function enqueue_job(keys, args)
  return redis.call('ZADD', keys[1], 'NX', args[2], args[1])
end

-- KEYS  queue
-- ARGV  now_ms, lease_ms
-- ->    job and claim of the one that waits longest, or nothing
local function claim_job(keys, args)
  local queue, now = keys[1], tonumber(args[1])
  local job = redis.call('ZRANGE', queue, '-inf', args[1], 'BYSCORE', 'LIMIT', 0, 1)[1]
  if not job then return false end
  -- By the clock, too: a queue that lost its last writes must not give a number that a record knows already.
  local claim = integer(math.max(tonumber(redis.call('HGET', queue .. CLAIMS, '') or 0) + 1, now))
  redis.call('HSET', queue .. CLAIMS, '', claim, job, claim)
  redis.call('ZADD', queue, integer(now + tonumber(args[2])), job)
  return { job, claim }
end

-- KEYS  queue
-- ARGV  job, claim, now_ms, lease_ms
-- ->    how many jobs wait to be claimed, or -1 when this one is held by another claim
local function renew_job(keys, args)
  if redis.call('HGET', keys[1] .. CLAIMS, args[1]) ~= args[2] then return -1 end
  redis.call('ZADD', keys[1], 'XX', integer(tonumber(args[3]) + tonumber(args[4])), args[1])
  return redis.call('ZCOUNT', keys[1], '-inf', args[3])
end

-- KEYS  queue
-- ARGV  job, claim, ms from which it may be claimed again
-- ->    1, or 0 when it is held by another claim
local function release_job(keys, args)
  if redis.call('HGET', keys[1] .. CLAIMS, args[1]) ~= args[2] then return 0 end
  redis.call('ZADD', keys[1], 'XX', args[3], args[1])
  redis.call('HDEL', keys[1] .. CLAIMS, args[1])
  return 1
end

-- KEYS  queue
-- ARGV  job, claim
-- ->    1, or 0 when it is held by another claim
local function drop_job(keys, args)
  if redis.call('HGET', keys[1] .. CLAIMS, args[1]) ~= args[2] then return 0 end
  redis.call('ZREM', keys[1], args[1])
  redis.call('HDEL', keys[1] .. CLAIMS, args[1])
  return 1
end

-- The record of a job, in its project's slot.

-- KEYS  job
-- ARGV  kind, payload, now_ms, seconds to keep it, then its portions
-- ->    1, or 0 when it was there already
local function create_job(keys, args)
  local job = keys[1]
  if redis.call('EXISTS', job) == 1 then return 0 end
  redis.call('HSET', job, 'kind', args[1], 'payload', args[2], 'created_ms', args[3],
    'status', 'enqueued', 'cursor', '', 'steps', 0, 'claim', 0, 'attempts', 0)
  redis.call('EXPIRE', job, args[4])
  for i = 5, #args do redis.call('RPUSH', job .. PORTIONS, args[i]) end
  if #args >= 5 then redis.call('EXPIRE', job .. PORTIONS, args[4]) end
  return 1
end

-- KEYS  jobs of a kind
-- ARGV  job id, created_ms, seconds to keep it, most jobs to keep, what precedes an id in the key of a job
-- Put a job on its project's list; of too many, the oldest go.
local function list_job(keys, args)
  local key, oldest = keys[1], tonumber(args[2]) - 1000 * tonumber(args[3])
  redis.call('ZADD', key, 'NX', args[2], args[1])
  redis.call('EXPIRE', key, args[3])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. integer(oldest))
  local surplus = redis.call('ZCARD', key) - tonumber(args[4])
  if surplus <= 0 then return 1 end
  for _, id in ipairs(redis.call('ZRANGE', key, 0, surplus - 1)) do
    local job = args[5] .. id
    if redis.call('HGET', job, 'status') ~= 'processed' then return 1 end
    redis.call('UNLINK', job, job .. ERRORS, job .. REACHED)
    redis.call('ZREM', key, id)
  end
  return 1
end

-- KEYS  jobs of a kind
-- ARGV  oldest created_ms, rank, limit
-- ->    how many there are, then the ids of a page, newest first
local function find_jobs(keys, args)
  return {
    redis.call('ZCOUNT', keys[1], args[1], '+inf'),
    unpack(redis.call('ZRANGE', keys[1], '+inf', args[1], 'BYSCORE', 'REV', 'LIMIT', args[2], args[3])),
  }
end

-- KEYS  job
-- ->    kind, payload, status, created_ms, errors as one JSON array, then count name, count, …; or nothing
local COUNTS = { 'total', 'created', 'updated', 'failures' }
local function read_job(keys)
  local job = keys[1]
  local field = redis.call('HMGET', job, 'kind', 'payload', 'status', 'created_ms')
  if not field[1] then return false end
  local errors = redis.call('LRANGE', job .. ERRORS, 0, -1)
  local result = { field[1], field[2], field[3], field[4], '[' .. table.concat(errors, ',') .. ']' }
  for i, count in ipairs(redis.call('HMGET', job, unpack(COUNTS))) do
    result[#result + 1] = COUNTS[i]
    result[#result + 1] = count or '0'
  end
  return result
end

-- KEYS  job
-- ARGV  which portion, from 0
local function read_portion(keys, args)
  return redis.call('LINDEX', keys[1] .. PORTIONS, args[1])
end

-- KEYS  job
-- ARGV  first, count
-- ->    how many users were reached, and the ids of some of them, 16 bytes each
local function read_reached(keys, args)
  local first, key = tonumber(args[1]), keys[1] .. REACHED
  return {
    redis.call('STRLEN', key) / 16,
    redis.call('GETRANGE', key, integer(first * 16), integer((first + tonumber(args[2])) * 16 - 1)),
  }
end

-- KEYS  job
-- ARGV  claim
-- ->    kind, payload, cursor, steps, created_ms, attempts since the last step (this one included);
--       "lost" to a later claim; "processed"; or nothing when there is no such job
local function start_job(keys, args)
  local job = keys[1]
  local field = redis.call('HMGET', job, 'kind', 'payload', 'cursor', 'steps', 'created_ms', 'status', 'claim')
  if not field[1] then return false end
  if field[6] == 'processed' then return { 'processed' } end
  if tonumber(field[7]) > tonumber(args[1]) then return { 'lost' } end
  if field[7] ~= args[1] then redis.call('HINCRBY', job, 'attempts', 1) end
  redis.call('HSET', job, 'claim', args[1], 'status', 'processing')
  return { field[1], field[2], field[3], field[4], field[5], redis.call('HGET', job, 'attempts') }
end

-- KEYS  job
-- ARGV  claim, number of this step, cursor, most errors to keep, ids of users reached,
--       number of counts, for each: name, by how much; then its errors as JSON
-- ->    1, or 0 when another claim has taken over
-- A step is saved once, however often it is sent.
local function save_job(keys, args)
  local job, claim, step = keys[1], args[1], tonumber(args[2])
  local field = redis.call('HMGET', job, 'claim', 'steps', 'status')
  if field[1] ~= claim or field[3] ~= 'processing' then return 0 end
  if tonumber(field[2]) == step then return 1 end
  if tonumber(field[2]) ~= step - 1 then return 0 end
  redis.call('HSET', job, 'steps', args[2], 'cursor', args[3], 'attempts', 0)
  local left = redis.call('PTTL', job)
  if args[5] ~= '' then
    redis.call('APPEND', job .. REACHED, args[5])
    redis.call('PEXPIRE', job .. REACHED, left)
  end
  local errors = 7 + 2 * tonumber(args[6])
  for i = 7, errors - 1, 2 do redis.call('HINCRBY', job, args[i], args[i + 1]) end
  for i = errors, #args do
    if redis.call('LLEN', job .. ERRORS) < tonumber(args[4]) then redis.call('RPUSH', job .. ERRORS, args[i]) end
  end
  if errors <= #args then redis.call('PEXPIRE', job .. ERRORS, left) end
  return 1
end

-- KEYS  job
-- ARGV  claim, "" or why it ends unfinished as JSON, 1 to keep the record or 0
-- ->    1, or 0 when another claim has taken over
local function finish_job(keys, args)
  local job = keys[1]
  local field = redis.call('HMGET', job, 'claim', 'status')
  if field[1] ~= args[1] then return 0 end
  if field[2] == 'processed' then return 1 end
  redis.call('HSET', job, 'status', 'processed')
  redis.call('UNLINK', job .. PORTIONS)
  if args[3] == '0' then
    redis.call('UNLINK', job, job .. ERRORS, job .. REACHED)
  elseif args[2] ~= '' then
    -- In front: it matters more than those that the bound may cut.
    redis.call('LPUSH', job .. ERRORS, args[2])
    redis.call('PEXPIRE', job .. ERRORS, redis.call('PTTL', job))
  end
  return 1
end
