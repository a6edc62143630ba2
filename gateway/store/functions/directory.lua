-- Functions of a project's own slot: who its users are, and its idempotency records.

-- A name that a deleted user had: tokens that a backend signed for it until then are not for whoever has it next.
local GONE_SECONDS = 365 * 24 * 3600 -- as long as tokens usually last; only a digest of the name is kept

-- ->    the second of the deletion, or nil. `name` is "x:external_id" or "e:email"
local function gone_since(directory, name)
  return redis.call('ZSCORE', directory .. GONE, redis.sha1hex(name)) or nil
end

local function remember_gone(directory, name)
  local now, key = redis.call('TIME')[1], directory .. GONE
  redis.call('ZREMRANGEBYSCORE', key, '-inf', integer(tonumber(now) - GONE_SECONDS))
  redis.call('ZADD', key, now, redis.sha1hex(name))
  redis.call('EXPIRE', key, GONE_SECONDS)
end

-- KEYS  directory
-- ARGV  for each recipient: external_id, email (one may be ""), the user id to give if new
-- ->    for each: user id, external_id, email, 1 if new, and when a user was deleted who had the external_id and the
--       email before ("" for never); or -1 and the index (from 0) of each recipient
--       whose email belongs to another user than its external id. Then nothing was written.
local function resolve(keys, args)
  local directory, pending, result, conflicts = keys[1], {}, {}, {}
  local new_ids, new = {}, {}
  local function lookup(field)
    local value = pending[field]
    if value == nil then value = redis.call('HGET', directory, field) end
    return value
  end
  for i = 1, #args, 3 do
    local external_id, email, id = args[i], args[i + 1], args[i + 2]
    local by_external_id = external_id ~= '' and lookup('x:' .. external_id)
    local by_email = email ~= '' and lookup('e:' .. email)
    local known = by_external_id or by_email
    local user = { x = '', e = '' }
    if known then
      id = known
      user = cjson.decode(lookup('u:' .. id))
    end
    local is_other = by_external_id and by_email and by_external_id ~= by_email
    local has_other_id = not by_external_id and by_email and external_id ~= '' and user.x ~= ''
    if is_other or has_other_id then
      conflicts[#conflicts + 1] = (i - 1) / 3
    else
      if external_id ~= '' and user.x ~= external_id then
        user.x = external_id
        user.gone_x = gone_since(directory, 'x:' .. external_id)
        pending['x:' .. external_id] = id
        pending['u:' .. id] = cjson.encode(user)
      end
      if email ~= '' and user.e ~= email then
        if user.e ~= '' then pending['e:' .. user.e] = false end
        user.e = email
        user.gone_e = gone_since(directory, 'e:' .. email)
        pending['e:' .. email] = id
        pending['u:' .. id] = cjson.encode(user)
      end
      if not user.n then
        if not new[id] then new_ids[#new_ids + 1] = id end
        new[id] = user
      end
      result[#result + 1] = { id, user.x, user.e, known and 0 or 1, user.gone_x or '', user.gone_e or '' }
    end
  end
  if #conflicts > 0 then return { -1, unpack(conflicts) } end
  for _, id in ipairs(new_ids) do
    enroll(directory, id, new[id])
    pending['u:' .. id] = cjson.encode(new[id])
  end
  for field, value in pairs(pending) do
    if value then redis.call('HSET', directory, field, value) else redis.call('HDEL', directory, field) end
  end
  return result
end

-- KEYS  record
-- ARGV  fingerprint of the request, plan (what a resumed request must repeat), now_ms, lease_ms, ttl_seconds
-- ->    "run", plan           do it: the first time, or again after a crash, with the first one's plan
--       "done", status, body  replay this
--       "running" | "reused"
local function begin_idempotent(keys, args)
  local record = redis.call('HMGET', keys[1], 'fingerprint', 'plan', 'lease_ms', 'status', 'body')
  if not record[1] then
    redis.call('HSET', keys[1], 'fingerprint', args[1], 'plan', args[2], 'lease_ms', args[3] + args[4])
    redis.call('EXPIRE', keys[1], args[5])
    return { 'run', args[2] }
  end
  if record[1] ~= args[1] then return { 'reused' } end
  if record[4] then return { 'done', record[4], record[5] } end
  if tonumber(record[3]) > tonumber(args[3]) then return { 'running' } end
  redis.call('HSET', keys[1], 'lease_ms', args[3] + args[4])
  return { 'run', record[2] }
end

-- KEYS  record
-- ARGV  status, body
local function finish_idempotent(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then return 0 end
  redis.call('HSET', keys[1], 'status', args[1], 'body', args[2])
  return 1
end

-- KEYS  record
-- Forget a request that was refused before it wrote anything, so that a corrected one may use the key.
local function abandon_idempotent(keys)
  return redis.call('DEL', keys[1])
end

-- KEYS  directory
-- ARGV  "x:external_id", "e:email" or "u:user_id"
-- ->    as `resolve` for one user; or nothing
local function find(keys, args)
  local id = args[1]:match('^u:(.*)$') or redis.call('HGET', keys[1], args[1])
  local raw = id and redis.call('HGET', keys[1], 'u:' .. id)
  if not raw then return false end
  local user = cjson.decode(raw)
  return { id, user.x, user.e, 0, user.gone_x or '', user.gone_e or '' }
end

-- KEYS  directory
-- ARGV  user id, external_id, email (the names from now on; one may be "")
-- ->    1; 0 when there is no such user; -1 or -2 when the external_id or the email is another's
local function rename(keys, args)
  local directory, id, external_id, email = keys[1], args[1], args[2], args[3]
  local raw = redis.call('HGET', directory, 'u:' .. id)
  if not raw then return 0 end
  local owner = external_id ~= '' and redis.call('HGET', directory, 'x:' .. external_id)
  if owner and owner ~= id then return -1 end
  owner = email ~= '' and redis.call('HGET', directory, 'e:' .. email)
  if owner and owner ~= id then return -2 end
  local user = cjson.decode(raw)
  if user.x ~= '' then redis.call('HDEL', directory, 'x:' .. user.x) end
  if user.e ~= '' then redis.call('HDEL', directory, 'e:' .. user.e) end
  if external_id ~= '' then redis.call('HSET', directory, 'x:' .. external_id, id) end
  if email ~= '' then redis.call('HSET', directory, 'e:' .. email, id) end
  if user.x ~= external_id then user.gone_x = gone_since(directory, 'x:' .. external_id) end
  if user.e ~= email then user.gone_e = gone_since(directory, 'e:' .. email) end
  user.x, user.e = external_id, email
  redis.call('HSET', directory, 'u:' .. id, cjson.encode(user))
  return 1
end

-- KEYS  directory
-- ARGV  user id
-- ->    1, or 0 when there was no such user
local function forget(keys, args)
  local raw = redis.call('HGET', keys[1], 'u:' .. args[1])
  if not raw then return 0 end
  local user = cjson.decode(raw)
  for _, name in ipairs({ user.x ~= '' and 'x:' .. user.x, user.e ~= '' and 'e:' .. user.e }) do
    if name then
      redis.call('HDEL', keys[1], name)
      remember_gone(keys[1], name)
    end
  end
  redis.call('HDEL', keys[1], 'u:' .. args[1])
  if user.n then write_roster(keys[1], user.n, NOBODY) end
  return 1
end
