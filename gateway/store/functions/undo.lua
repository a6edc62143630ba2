-- All or nothing. Redis takes nothing back when a function fails in the middle: a key of another type, a command or a
-- channel that the access list refuses, a bug. So whatever writes more than once notes after each write how to take it
-- back, which is done when a later command fails. Only what comes after the last point of failure needs no note.
-- (Memory is no reason: a server that is full refuses the function, or its first write, and no later one.)

local call, try -- `try` gives an error as its result. A library that is being loaded has neither.
local function begin_call()
  call, try = redis.call, redis.pcall
end

local undo_steps, undo_firsts, undo_seconds, undo_thirds, undo_count = {}, {}, {}, {}, 0 -- what to do, and what each is given

-- Note how to take back what has just been written: a step, and up to three things that it is given. (A closure would
-- cost more than that: this is done for every event.) The step is to use `try`, and to do no harm where there is nothing.
local function push_undo(step, a, b, c)
  undo_count = undo_count + 1
  undo_steps[undo_count], undo_firsts[undo_count], undo_seconds[undo_count], undo_thirds[undo_count] = step, a, b, c
end

local function undo_all()
  for i = undo_count, 1, -1 do pcall(undo_steps[i], undo_firsts[i], undo_seconds[i], undo_thirds[i]) end
  undo_count = 0
end

-- What was written until now stays, whatever fails: repeating the call completes it.
local function commit()
  undo_count = 0
end

-- Run some work; when it fails, take back what it wrote, and fail.
local function run_atomic(work, keys, args, record)
  undo_count = 0
  local done, result = pcall(work, keys, args, record)
  if done then return result end
  undo_all()
  local text = type(result) == 'table' and result.err or tostring(result) -- Redis's own pcall gives a text
  error({ err = text:match('^%u+ ') and text or 'ERR ' .. text })
end

-- Do something that may as well be left out: when it fails, what it wrote since it began its last fact is taken back.
local function attempt(work, ...)
  if not pcall(work, ...) then undo_all() end
end

-- ->    the work as a function to register
local function atomic(work)
  return function(keys, args)
    if not call then begin_call() end
    return run_atomic(work, keys, args)
  end
end

-- ->    the same of work that only reads
local function reading(work)
  return function(keys, args)
    if not call then begin_call() end
    return work(keys, args)
  end
end

-- The same for work that is not done for every event: each of these looks at what it overwrites, writes, and notes.
-- Fields and members are a few hundred at most.

local function expiry_restorer(key)
  local left = call('PTTL', key)
  return function()
    if left >= 0 then try('PEXPIRE', key, left) elseif left == -1 then try('PERSIST', key) end
  end
end

-- expiry: from `expiry_restorer`, where what is written may remove the key, which then comes back without one
-- ->    a step that gives the fields of a hash the values that they have now
local function fields_restorer(key, fields, expiry)
  local before = call('HMGET', key, unpack(fields))
  return function()
    for i, field in ipairs(fields) do
      if before[i] then try('HSET', key, field, before[i]) else try('HDEL', key, field) end
    end
    if expiry then expiry() end
  end
end

-- ->    the same for the members of a sorted set
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

-- ->    how many are new
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

-- Write into a string, which grows if it must.
local function write_range(key, offset, value)
  local length = call('STRLEN', key)
  local before = call('GETRANGE', key, offset, offset + #value - 1)
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
