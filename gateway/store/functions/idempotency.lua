-- The record of a request that carried an Idempotency-Key. Until the lease ends no other try runs the request; the try
-- that runs it renews the lease. Times are by the server's clock. A lease that ends later than any could was written by
-- a clock that was ahead, and is over.

-- KEYS  record
-- ARGV  fingerprint (of the request) plan (what a resumed request must repeat) lease_ms ttl_seconds
--       holder (the name of this try) is_over ("1" if the caller knows that the try which holds the lease has ended, or "")
-- ->    "run", plan, 1 or 0   run it: for the first time, or (0) again after a crash, by the plan of the first try
--       "done", status, body  replay this response
--       "running"             another try holds the lease
--       "reused"              the key came with another request before
local function begin_idempotent(keys, args)
  local key, lease_ms, ttl = keys[1], tonumber(args[3]), tonumber(args[4])
  local record = call('HMGET', key, 'format', 'fingerprint', 'plan', 'lease_ms', 'status', 'body', 'holder')
  local now = now_ms()
  if not record[2] then
    call('HSET', key, 'format', FORMAT, 'fingerprint', args[1], 'plan', args[2],
      'lease_ms', integer(now + lease_ms), 'holder', args[5])
    push_undo(function() try('DEL', key) end)
    call('EXPIRE', key, ttl)
    return { 'run', args[2], 1 }
  end
  if record[1] ~= FORMAT then fail_by_format('an idempotency record', record[1]) end
  if call('TTL', key) > ttl then expire('EXPIRE', key, ttl) end
  if record[2] ~= args[1] then return { 'reused' } end
  if record[5] then
    if not record[5]:match('^[2-5]%d%d$') or not record[6] then fail_by_data('an idempotency record') end
    return { 'done', record[5], record[6] }
  end
  -- The same try again: the reply to its first call was lost.
  if record[7] == args[5] then return { 'run', record[3], record[3] == args[2] and 1 or 0 } end
  local left = tonumber(record[4]) - now
  if args[6] == '' and left > 0 and left <= lease_ms then return { 'running' } end
  call('HSET', key, 'lease_ms', integer(now + lease_ms), 'holder', args[5])
  return { 'run', record[3], 0 }
end

-- KEYS  record
-- ARGV  holder (the try that holds the lease) lease_ms
-- ->    1, or 0 when another try has taken over
local function renew_idempotent(keys, args)
  if call('HGET', keys[1], 'holder') ~= args[1] then return 0 end
  call('HSET', keys[1], 'lease_ms', integer(now_ms() + tonumber(args[2])))
  return 1
end

-- KEYS  record
-- ARGV  status body
-- ->    1, or 0 when there is no record any more
local function finish_idempotent(keys, args)
  if call('EXISTS', keys[1]) == 0 then return 0 end
  call('HSET', keys[1], 'status', args[1], 'body', args[2])
  return 1
end

-- KEYS  record
-- ARGV  holder (the try that was refused)
-- ->    1 if the record is removed, or 0
-- Remove the record of a request that was refused before it wrote anything, so that a corrected one may use the key.
-- The record stays if another try runs the request by now, or has finished it.
local function abandon_idempotent(keys, args)
  local record = call('HMGET', keys[1], 'holder', 'status')
  if record[1] ~= args[1] or record[2] then return 0 end
  return call('DEL', keys[1])
end
