-- The undo log, which makes a function write everything or nothing. Redis does not roll back the writes of a function
-- that fails after some of them: because of a key of another type, a command or channel that the access list forbids,
-- or a bug. So a function that writes more than once records after each write how to undo it. If a later command fails,
-- all recorded steps run. Only writes after the last command that can fail need no step. (A lack of memory does not
-- cause such a failure: a full server refuses the function or its first write, never a later one.)

-- `call` raises the error of a command; `try` returns it. Neither exists while a library is being loaded.
local call, try
local function begin_call()
  call, try = redis.call, redis.pcall
end

local undo_steps, undo_firsts, undo_seconds, undo_thirds, undo_count = {}, {}, {}, {}, 0

-- Record how to undo the last write: a function, and up to three arguments for it. (A closure would cost more, and this
-- runs for every event.) The function must use `try`, and must do no harm if there is nothing to undo.
local function push_undo(step, a, b, c)
  undo_count = undo_count + 1
  undo_steps[undo_count], undo_firsts[undo_count], undo_seconds[undo_count], undo_thirds[undo_count] = step, a, b, c
end

local function undo_all()
  for i = undo_count, 1, -1 do pcall(undo_steps[i], undo_firsts[i], undo_seconds[i], undo_thirds[i]) end
  undo_count = 0
end

-- Keep all writes until now even if the function fails later. Repeating the call must complete the rest.
local function commit()
  undo_count = 0
end

-- ->    an error that pcall returned, as a table, which becomes an error reply
local function error_of(problem)
  local text = type(problem) == 'table' and problem.err or tostring(problem) -- Redis's own pcall returns a text
  return { err = text:match('^%u+ ') and text or 'ERR ' .. text }
end

-- Run a function's work. If it fails, undo its writes and raise its error.
local function run_atomic(work, keys, args, record)
  undo_count = 0
  local done, result = pcall(work, keys, args, record)
  if done then return result end
  undo_all()
  error(error_of(result))
end

-- Run optional work. If it fails, undo its writes since the last commit, and continue.
local function attempt(work, ...)
  if not pcall(work, ...) then undo_all() end
end

-- ->    a function to register, for work that writes
local function atomic(work)
  return function(keys, args)
    if not call then begin_call() end
    return run_atomic(work, keys, args)
  end
end

-- ->    a function to register, for work that only reads
local function reading(work)
  return function(keys, args)
    if not call then begin_call() end
    return work(keys, args)
  end
end

-- Writes with their undo steps, for work that does not run for every event. Each one reads the values that it
-- overwrites, writes, and records a step that restores them. There are a few hundred fields or members at most.

-- ->    a function that restores the present lifetime of a key
local function expiry_restorer(key)
  local left = call('PTTL', key)
  return function()
    if left >= 0 then try('PEXPIRE', key, left) elseif left == -1 then try('PERSIST', key) end
  end
end

-- expiry: from `expiry_restorer`, if the write may remove the key, because a key that is created again has no lifetime
-- ->    a function that restores the present values of fields of a hash
local function fields_restorer(key, fields, expiry)
  local before = call('HMGET', key, unpack(fields))
  return function()
    for i, field in ipairs(fields) do
      if before[i] then try('HSET', key, field, before[i]) else try('HDEL', key, field) end
    end
    if expiry then expiry() end
  end
end

-- ->    a function that restores the present scores of members of a sorted set
local function members_restorer(key, members, expiry)
  local before = call('ZMSCORE', key, unpack(members))
  return function()
    for i, member in ipairs(members) do
      if before[i] then try('ZADD', key, before[i], member) else try('ZREM', key, member) end
    end
    if expiry then expiry() end
  end
end

-- pairs: field, value, …
local function set_fields(key, pairs)
  if #pairs == 0 then return end
  local fields = {}
  for i = 1, #pairs, 2 do fields[#fields + 1] = pairs[i] end
  local step = fields_restorer(key, fields)
  call('HSET', key, unpack(pairs))
  push_undo(step)
end

local function remove_fields(key, fields)
  if #fields == 0 then return end
  local step = fields_restorer(key, fields, expiry_restorer(key))
  call('HDEL', key, unpack(fields))
  push_undo(step)
end

-- ->    1 if the member is new, or 0
local function add_member(key, score, member)
  local step = members_restorer(key, { member })
  local added = call('ZADD', key, score, member)
  push_undo(step)
  return added
end

local function remove_members(key, members)
  if #members == 0 then return end
  local step = members_restorer(key, members, expiry_restorer(key))
  call('ZREM', key, unpack(members))
  push_undo(step)
end

-- Overwrite a part of a string, which grows if necessary.
local function write_range(key, offset, value)
  local length = call('STRLEN', key)
  local before = offset < length and call('GETRANGE', key, offset, offset + #value - 1) or '' -- nearly always at the end
  call('SETRANGE', key, offset, value)
  push_undo(function()
    try('SETRANGE', key, offset, before)
    if length == 0 then
      try('DEL', key)
    elseif length < offset + #value then
      try('SET', key, try('GETRANGE', key, 0, length - 1), 'KEEPTTL')
    end
  end)
end

-- command: EXPIRE, PEXPIRE or EXPIREAT
local function expire(command, key, when)
  local step = expiry_restorer(key)
  call(command, key, when)
  push_undo(step)
end
