-- Issued tokens: those of a user in the user's slot, and those of a project in the project's slot. `base` is the
-- beginning of their keys. A token is kept until it expires, even if it is discarded. If there are too many, the oldest
-- discarded ones are removed.

local REVOKED_MARGIN_SECONDS = 60 -- gateways' clocks differ, so a revoked id is kept longer than its token is valid

-- ->    the token as a table, or nil if `packed` is not a token
local function unpack_token(packed)
  local created, expires, discarded, name = packed:match('^(%d+) (%d+) (%d+) (.*)$')
  if not created then return nil end
  return { created = created, expires = expires, discarded = discarded, name = name }
end

local function save_token(base, id, token)
  local packed = table.concat({ token.created, token.expires, token.discarded, token.name }, ' ')
  set_fields(base .. TOKEN, { id, packed })
end

local function remove_tokens(base, ids)
  for first = 1, #ids, CHUNK do
    local some = { unpack(ids, first, math.min(first + CHUNK - 1, #ids)) }
    remove_members(base .. TOKENS, some)
    remove_fields(base .. TOKEN, some)
  end
end

-- Let a sorted set with expiry times as scores, and the hash that belongs to it, expire with the last member.
local function expire_with_last(key, follower)
  local last = call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  if last then
    expire('EXPIREAT', key, last)
    if follower then expire('EXPIREAT', follower, last) end
  end
end

-- ->    a token that has not expired, or nil
local function load_token(base, id, now)
  local packed = call('HGET', base .. TOKEN, id)
  local token = packed and unpack_token(packed)
  return token and tonumber(token.expires) > tonumber(now) and token or nil
end

-- ->    the second until which tokens have expired: by the caller's clock, or by the server's if the caller's is ahead,
--       because tokens that are removed too early would be lost for ever
local function expired_until(now)
  local clock = tonumber(call('TIME')[1])
  return tonumber(now) <= clock + CLOCK_SECONDS and now or integer(clock)
end

-- Make room for one more token. Remove the expired ones, then the oldest of those that are discarded or cannot be read.
-- Ids sort by age.
-- ->    whether there is room
local function make_room(base, now, most)
  remove_tokens(base, call('ZRANGE', base .. TOKENS, '-inf', expired_until(now), 'BYSCORE'))
  local excess = call('ZCARD', base .. TOKENS) - most + 1
  if excess <= 0 then return true end
  local discarded = {}
  local rows = call('HGETALL', base .. TOKEN)
  for i = 1, #rows, 2 do
    local token = unpack_token(rows[i + 1])
    if not token or token.discarded ~= '0' then discarded[#discarded + 1] = rows[i] end
  end
  if #discarded < excess then return false end
  table.sort(discarded)
  remove_tokens(base, { unpack(discarded, 1, excess) })
  return true
end

-- KEYS  user
-- ARGV  token_id now expires max_tokens max_revoked name
-- ->    the second of its issue, or 0 if there are too many; a token that exists already is not changed
-- A token that is issued in the second of a revocation gets the next second, because it is newer than what was revoked.
local function issue_token(keys, args, record)
  local base, id, now, expires = keys[1], args[1], args[2], args[3]
  local known = call('HGET', base .. TOKEN, id)
  if known then return tonumber((unpack_token(known) or { created = now }).created) end
  if not make_room(base, now, tonumber(args[4])) then return 0 end
  remove_members(base .. REVOKED, call('ZRANGE', base .. REVOKED, '-inf', expired_until(now), 'BYSCORE',
    'LIMIT', 0, CHUNK))
  if call('ZCARD', base .. REVOKED) >= tonumber(args[5]) then return 0 end
  local created = tonumber(now)
  if record and record.revoked_before then
    created = math.max(created, revoked_before_now(base, tonumber(record.revoked_before), false))
  end
  if record then write_format(base, record) end
  add_member(base .. TOKENS, expires, id)
  save_token(base, id, { created = integer(created), expires = expires, discarded = '0', name = args[6] })
  expire_with_last(base .. TOKENS, base .. TOKEN)
  return created
end

-- KEYS  user
-- ARGV  now size way ("after", "before" or "") cursor (a token id)
-- ->    1 if there are newer tokens or 0, 1 if there are older ones or 0, then id and `created expires discarded name`
--       of each, newest first; one that cannot be read is left out
local function list_tokens(keys, args)
  local base, size, way, from = keys[1], tonumber(args[2]), args[3], args[4]
  local ids = call('ZRANGE', base .. TOKENS, '(' .. args[1], '+inf', 'BYSCORE')
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
    local packed = call('HGET', base .. TOKEN, ids[i])
    if packed and unpack_token(packed) then
      result[#result + 1] = ids[i]
      result[#result + 1] = packed
    end
  end
  return result
end

-- ->    when the token was discarded, whether that was now, and the token; or nil
local function discard(base, id, now)
  local token = load_token(base, id, now)
  if not token then return nil end
  if token.discarded ~= '0' then return token.discarded, false, token end
  token.discarded = now
  save_token(base, id, token)
  return now, true, token
end

-- KEYS  user
-- ARGV  token_id now
-- ->    when it was discarded, or nothing if there is no such token
-- If publishing fails, the token is discarded, but the call fails. A repeated call publishes again, even though the
-- token is already discarded. That does no harm, because nodes close each connection once.
local function discard_token(keys, args)
  local user, id, now = keys[1], args[1], args[2]
  local discarded, is_new, token = discard(user, id, now)
  if not discarded then return false end
  if is_new then
    add_member(user .. REVOKED, integer(tonumber(token.expires) + REVOKED_MARGIN_SECONDS), id)
    expire_with_last(user .. REVOKED)
  end
  commit()
  call('SPUBLISH', user, '!revoked ' .. id)
  return discarded
end

-- KEYS  user
-- ARGV  issued_before now
-- ->    the second before which no token is accepted from now on; it never becomes earlier
-- If publishing fails, the tokens are revoked, but the call fails, and repeating it publishes again.
local function discard_tokens_before(keys, args, record)
  local user, now, clock = keys[1], args[2], tonumber(call('TIME')[1])
  local function past(second) return second > clock + CLOCK_SECONDS and clock or second end
  local before = math.max(past(tonumber(args[1])), past(tonumber(record.revoked_before or 0)))
  local rows, covered, discarded = call('HGETALL', user .. TOKEN), {}, {}
  if tonumber(args[1]) > tonumber(now) then -- everything, also what was issued after a revocation in the same second
    for i = 2, #rows, 2 do
      local token = unpack_token(rows[i])
      if token and tonumber(token.created) <= clock + CLOCK_SECONDS then
        before = math.max(before, tonumber(token.created) + 1)
      end
    end
  end
  for i = 1, #rows, 2 do
    local token = unpack_token(rows[i + 1])
    if token and tonumber(token.created) < before then
      covered[#covered + 1] = rows[i]
      if token.discarded == '0' then
        discarded[#discarded + 1] = rows[i]
        discarded[#discarded + 1] = table.concat({ token.created, token.expires, now, token.name }, ' ')
      end
    end
  end
  set_fields(user, { 'revoked_before', integer(before), 'format', FORMAT })
  for first = 1, #discarded, CHUNK do
    set_fields(user .. TOKEN, { unpack(discarded, first, math.min(first + CHUNK - 1, #discarded)) })
  end
  for first = 1, #covered, CHUNK do -- revoked_before covers them
    remove_members(user .. REVOKED, { unpack(covered, first, math.min(first + CHUNK - 1, #covered)) })
  end
  commit()
  call('SPUBLISH', user, '!revoked_before ' .. integer(before))
  return integer(before)
end

-- A project's tokens are accepted only while they are stored here, so the ids of discarded ones are not kept elsewhere.

-- KEYS  project (the beginning of its tokens' keys)
-- ARGV  token_id now expires max_tokens max_revoked name
-- ->    as issue_token
local function issue_project_token(keys, args) return issue_token(keys, args) end

-- KEYS  project (the beginning of its tokens' keys)
-- ARGV  now size way cursor
-- ->    as list_tokens
local function list_project_tokens(keys, args) return list_tokens(keys, args) end

-- KEYS  project (the beginning of its tokens' keys)
-- ARGV  token_id now
-- ->    when it was discarded, or nothing if there is no such token
local function discard_project_token(keys, args)
  return (discard(keys[1], args[1], args[2])) or false
end

-- KEYS  project (the beginning of its tokens' keys)
-- ARGV  token_id now
-- ->    "known", "discarded", or nothing
local function project_token(keys, args)
  local token = load_token(keys[1], args[1], args[2])
  return token and (token.discarded == '0' and 'known' or 'discarded') or false
end

-- KEYS  token owner
-- ARGV  user_id expires
-- ->    1
local function own_token(keys, args)
  call('SET', keys[1], args[1], 'EXAT', args[2])
  return 1
end

-- KEYS  token owner
-- ->    user id, or nothing
local function token_owner(keys)
  return call('GET', keys[1])
end
