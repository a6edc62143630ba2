-- Tokens that were issued: of a user, in the user's slot, and of a project, in its own. `base` is what their keys
-- begin with. A token is kept until it expires, discarded or not, unless others need the room.

local REVOKED_MARGIN_SECONDS = 60 -- gateways' clocks differ: a revoked id is kept a little longer than the token lasts

local function unpack_token(packed)
  local created, expires, discarded, name = packed:match('^(%d+) (%d+) (%d+) (.*)$')
  return { created = created, expires = expires, discarded = discarded, name = name }
end

local function save_token(base, id, token)
  local packed = table.concat({ token.created, token.expires, token.discarded, token.name }, ' ')
  redis.call('HSET', base .. TOKEN, id, packed)
end

local function remove_tokens(base, ids)
  for first = 1, #ids, CHUNK do
    local last = math.min(first + CHUNK - 1, #ids)
    redis.call('ZREM', base .. TOKENS, unpack(ids, first, last))
    redis.call('HDEL', base .. TOKEN, unpack(ids, first, last))
  end
end

-- Keep a sorted set by expiry as long as its last member.
local function expire_with_last(key, follower)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  if last then
    redis.call('EXPIREAT', key, last)
    if follower then redis.call('EXPIREAT', follower, last) end
  end
end

local function load_token(base, id, now)
  local packed = redis.call('HGET', base .. TOKEN, id)
  local token = packed and unpack_token(packed)
  return token and tonumber(token.expires) > tonumber(now) and token or nil
end

-- Make room for one more by dropping what has expired and then the oldest that were discarded; ids sort by age.
local function make_room(base, now, most)
  remove_tokens(base, redis.call('ZRANGE', base .. TOKENS, '-inf', now, 'BYSCORE'))
  local excess = redis.call('ZCARD', base .. TOKENS) - most + 1
  if excess <= 0 then return true end
  local discarded = {}
  local rows = redis.call('HGETALL', base .. TOKEN)
  for i = 1, #rows, 2 do
    if unpack_token(rows[i + 1]).discarded ~= '0' then discarded[#discarded + 1] = rows[i] end
  end
  if #discarded < excess then return false end
  table.sort(discarded)
  remove_tokens(base, { unpack(discarded, 1, excess) })
  return true
end

-- KEYS  user
-- ARGV  id now expires max_tokens max_revoked name
-- ->    1, or 0 when there are too many; an id that is known is left as it is
local function issue_token(keys, args)
  local base, id, now, expires = keys[1], args[1], args[2], args[3]
  if redis.call('HEXISTS', base .. TOKEN, id) == 1 then return 1 end
  if not make_room(base, now, tonumber(args[4])) then return 0 end
  redis.call('ZREMRANGEBYSCORE', base .. REVOKED, '-inf', now)
  if redis.call('ZCARD', base .. REVOKED) >= tonumber(args[5]) then return 0 end
  redis.call('ZADD', base .. TOKENS, expires, id)
  save_token(base, id, { created = now, expires = expires, discarded = '0', name = args[6] })
  expire_with_last(base .. TOKENS, base .. TOKEN)
  return 1
end

-- KEYS  user
-- ARGV  now size  "after" | "before" | ""  id
-- ->    1 if there are newer ones, 1 if there are older ones, then id and `created expires discarded name` of each,
--       newest first
local function list_tokens(keys, args)
  local base, size, way, from = keys[1], tonumber(args[2]), args[3], args[4]
  local ids = redis.call('ZRANGE', base .. TOKENS, '(' .. args[1], '+inf', 'BYSCORE')
  table.sort(ids, function(a, b) return a > b end)
  local first, last = 1, math.min(size, #ids)
  if way == 'after' then
    while first <= #ids and ids[first] >= from do first = first + 1 end
    last = math.min(first + size - 1, #ids)
  elseif way == 'before' then
    last = 0
    while last < #ids and ids[last + 1] > from do last = last + 1 end
    first = math.max(1, last - size + 1)
  end
  local result = { first > 1 and 1 or 0, last < #ids and 1 or 0 }
  for i = first, last do
    result[#result + 1] = ids[i]
    result[#result + 1] = redis.call('HGET', base .. TOKEN, ids[i])
  end
  return result
end

-- ->    when it was discarded, and whether that was now; or nothing
local function discard(base, id, now)
  local token = load_token(base, id, now)
  if not token then return nil end
  if token.discarded ~= '0' then return token.discarded, false, token end
  token.discarded = now
  save_token(base, id, token)
  return now, true, token
end

-- KEYS  user
-- ARGV  id now
-- ->    when it was discarded, or nothing when there is no such token
-- The nodes that hold connections of it hear of it again when it was discarded already: they close none twice.
local function discard_token(keys, args)
  local user, id, now = keys[1], args[1], args[2]
  local discarded, is_new, token = discard(user, id, now)
  if not discarded then return false end
  if is_new then
    redis.call('ZADD', user .. REVOKED, integer(tonumber(token.expires) + REVOKED_MARGIN_SECONDS), id)
    expire_with_last(user .. REVOKED)
  end
  redis.call('SPUBLISH', user, '!revoked ' .. id)
  return discarded
end

-- KEYS  user
-- ARGV  issued_before now
-- ->    the moment before which nothing counts now, which never goes back
local function discard_tokens_before(keys, args)
  local user, now = keys[1], args[2]
  local before = math.max(tonumber(args[1]), tonumber(redis.call('HGET', user, 'revoked_before') or 0))
  redis.call('HSET', user, 'revoked_before', integer(before))
  local rows = redis.call('HGETALL', user .. TOKEN)
  for i = 1, #rows, 2 do
    local token = unpack_token(rows[i + 1])
    if tonumber(token.created) < before then
      redis.call('ZREM', user .. REVOKED, rows[i]) -- said once is enough
      if token.discarded == '0' then
        token.discarded = now
        save_token(user, rows[i], token)
      end
    end
  end
  redis.call('SPUBLISH', user, '!revoked_before ' .. integer(before))
  return integer(before)
end

-- KEYS  what the project's keys begin with
-- The same of a project. Its tokens count while they are in here, so there is nothing else to keep of one discarded.
local function issue_project_token(keys, args) return issue_token(keys, args) end
local function list_project_tokens(keys, args) return list_tokens(keys, args) end

local function discard_project_token(keys, args)
  return (discard(keys[1], args[1], args[2])) or false
end

-- KEYS  what the project's keys begin with
-- ARGV  id now
-- ->    "known", "discarded", or nothing
local function project_token(keys, args)
  local token = load_token(keys[1], args[1], args[2])
  return token and (token.discarded == '0' and 'known' or 'discarded') or false
end

-- KEYS  token owner
-- ARGV  user id, expires
local function own_token(keys, args)
  redis.call('SET', keys[1], args[1], 'EXAT', args[2])
  return 1
end

-- KEYS  token owner
-- ->    user id, or nothing
local function token_owner(keys)
  return redis.call('GET', keys[1])
end
