-- The record of a request with an Idempotency-Key. Until the lease ends, no other attempt runs the request. The attempt
-- that runs it renews the lease. Times are by the server's clock. A lease with an impossibly late end was written by a
-- clock that was ahead, and counts as over.

-- KEYS  record
-- ARGV  fingerprint (of the request) plan (what a resumed request must repeat) lease_ms ttl_seconds
--       holder (the name of this attempt) is_over ("1" if the attempt that holds the lease is known to be over)
-- ->    "run", plan, 1 or 0   run it: for the first time, or (0) again after a crash, with the first attempt's plan
--       "done", status, body  replay this response
--       "running"             another attempt holds the lease
--       "reused"              the key was used for another request before
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
  -- The same attempt calls again, because the reply to its first call was lost.
  if record[7] == args[5] then return { 'run', record[3], record[3] == args[2] and 1 or 0 } end
  local left = tonumber(record[4]) - now
  if args[6] == '' and left > 0 and left <= lease_ms then return { 'running' } end
  call('HSET', key, 'lease_ms', integer(now + lease_ms), 'holder', args[5])
  return { 'run', record[3], 0 }
end

-- KEYS  record
-- ARGV  holder (the attempt that holds the lease) lease_ms
-- ->    1, or 0 if another attempt has taken over
local function renew_idempotent(keys, args)
  if call('HGET', keys[1], 'holder') ~= args[1] then return 0 end
  call('HSET', keys[1], 'lease_ms', integer(now_ms() + tonumber(args[2])))
  return 1
end

-- KEYS  record
-- ARGV  status body
-- ->    1, or 0 if there is no record any more
local function finish_idempotent(keys, args)
  if call('EXISTS', keys[1]) == 0 then return 0 end
  call('HSET', keys[1], 'status', args[1], 'body', args[2])
  return 1
end

-- KEYS  record
-- ARGV  holder (the attempt that was refused)
-- ->    1 if the record is removed, or 0
-- Remove the record of a request that was refused before it wrote anything, so that a corrected one may use the key.
-- The record stays if another attempt now runs the request, or has finished it.
local function abandon_idempotent(keys, args)
  local record = call('HMGET', keys[1], 'holder', 'status')
  if record[1] ~= args[1] or record[2] then return 0 end
  return call('DEL', keys[1])
end
