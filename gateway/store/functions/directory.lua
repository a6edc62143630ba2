-- The directory of a project: the index from names to users.

-- The names of deleted users are recorded, because tokens that a backend signed for a name before the deletion must not
-- be accepted for the next user of that name.
local DELETED_NAME_SECONDS = 365 * 24 * 3600 -- as long as tokens usually last; only a digest of the name is kept

-- name: "x:external_id" or "e:email"
-- ->    the second at which a user of this name was deleted, or nil. A time in the future, written by a clock that was
--       ahead, would block all tokens of the name until then, so the present is returned instead.
local function name_deleted_at(directory, name)
  local second = call('ZSCORE', directory .. DELETED_NAMES, redis.sha1hex(name))
  if not second then return nil end -- nearly always
  local now = tonumber(call('TIME')[1])
  return tonumber(second) > now + CLOCK_SECONDS and integer(now) or second
end

-- Replace deletion times in the future by the present in a user's record.
-- ->    whether the record has changed
local function correct_deletion_times(user)
  local changed = false
  for _, name in ipairs({ 'gone_x', 'gone_e' }) do
    if user[name] then
      local now = tonumber(call('TIME')[1])
      if tonumber(user[name]) > now + CLOCK_SECONDS then
        user[name], changed = integer(now), true
      end
    end
  end
  return changed
end

local function remember_deleted_name(directory, name)
  local now, key = call('TIME')[1], directory .. DELETED_NAMES
  local old = call('ZRANGE', key, '-inf', integer(tonumber(now) - DELETED_NAME_SECONDS), 'BYSCORE', 'LIMIT', 0, CHUNK)
  remove_members(key, old)
  add_member(key, now, redis.sha1hex(name))
  expire('EXPIRE', key, DELETED_NAME_SECONDS)
end

-- pairs: field, value, …
local function forget_fields(directory, pairs)
  for i = 1, #pairs, 2 do try('HDEL', directory, pairs[i]) end
end

-- args: from `first` on, for each recipient: external_id, email (one may be ""), the user id to use if the user is new
-- ->    for each: user id, external_id, email, 1 if new or 0, and when previous users of the external_id and of the
--       email were deleted ("" for never); or -1 and the index (from 0) of each recipient whose external_id and email
--       belong to two users, and then nothing was written
-- admit: called before users are created. If it returns a value, that is the result, and nothing is written.
local function resolve_each(directory, args, first, admit)
  local pending, result, conflicts = {}, {}, {}
  local new_ids, new, created = {}, {}, {}
  local function lookup(field)
    local value = pending[field]
    if value == nil then value = call('HGET', directory, field) end
    return value
  end
  for i = first, #args, 3 do
    local external_id, email, id = args[i], args[i + 1], args[i + 2]
    local by_external_id = external_id ~= '' and lookup('x:' .. external_id)
    local by_email = email ~= '' and lookup('e:' .. email)
    local known = by_external_id or by_email
    local user = { x = '', e = '' }
    if known then
      id = known
      local raw = lookup('u:' .. id)
      if raw then user = read_user_or_fail(id, raw) end -- otherwise only the names exist, and a new record is written
      if correct_deletion_times(user) then pending['u:' .. id] = cjson.encode(user) end
    end
    local is_other = by_external_id and by_email and by_external_id ~= by_email
    local has_other_id = not by_external_id and by_email and external_id ~= '' and user.x ~= ''
    if is_other or has_other_id then
      conflicts[#conflicts + 1] = (i - first) / 3
    else
      if external_id ~= '' and user.x ~= external_id then
        user.x = external_id
        user.gone_x = name_deleted_at(directory, 'x:' .. external_id)
        pending['x:' .. external_id] = id
        pending['u:' .. id] = cjson.encode(user)
      end
      if email ~= '' and user.e ~= email then
        if user.e ~= '' then pending['e:' .. user.e] = false end
        user.e = email
        user.gone_e = name_deleted_at(directory, 'e:' .. email)
        pending['e:' .. email] = id
        pending['u:' .. id] = cjson.encode(user)
      end
      if not user.n then
        if not new[id] then new_ids[#new_ids + 1] = id end
        if not known then created[id] = true end
        new[id] = user
      end
      result[#result + 1] = { id, user.x, user.e, known and 0 or 1, user.gone_x or '', user.gone_e or '' }
    end
  end
  if #conflicts > 0 then return { -1, unpack(conflicts) } end
  local refusal = #new_ids > 0 and admit and admit()
  if refusal then return refusal end
  append_to_user_index(directory, new_ids, new)
  local created_at = #new_ids > 0 and tonumber(call('TIME')[1])
  for _, id in ipairs(new_ids) do
    if created[id] then new[id].c = created_at end
    pending['u:' .. id] = cjson.encode(new[id])
  end
  local set, removed = {}, {}
  for field, value in pairs(pending) do
    if value then set[#set + 1], set[#set + 2] = field, value else removed[#removed + 1] = field end
  end
  if #result == 1 and result[1][4] == 1 then -- nearly always: one user, whose names and id are all new
    call('HSET', directory, unpack(set))
    push_undo(forget_fields, directory, set)
    return result
  end
  for first = 1, #set, CHUNK do set_fields(directory, { unpack(set, first, math.min(first + CHUNK - 1, #set)) }) end
  for first = 1, #removed, CHUNK do
    remove_fields(directory, { unpack(removed, first, math.min(first + CHUNK - 1, #removed)) })
  end
  return result
end

-- KEYS  directory
-- ARGV  recipients… (as resolve_each)
-- ->    as resolve_each
local function resolve(keys, args)
  return resolve_each(keys[1], args, 1)
end

-- The limits of new users whose names are not proven, by the generic cell rate algorithm. A key holds the second until
-- which the limit would be exhausted if users were created evenly, `most` an hour. It may be up to an hour in the
-- future, so `most` users can be created at once.
local CREATION_SECONDS = 3600

-- ->    the seconds after which one more user may be created, 0 for now; and the value of the key after that
local function wait_for_room(key, most, now)
  local filled_until = tonumber(call('GET', key) or 0)
  -- A time further in the future was written by a clock that was ahead.
  if filled_until < now or filled_until > now + CREATION_SECONDS then filled_until = now end
  filled_until = filled_until + CREATION_SECONDS / most
  return math.max(0, filled_until - CREATION_SECONDS - now), filled_until
end

-- KEYS  directory
-- ARGV  address ("" if unknown) project_limit address_limit (of new users in an hour; 0 is no limit)
--       external_id email new_id (the id of the user, if new)
-- ->    as `resolve` for one recipient; or -2, the seconds after which to try again, and 1 if the limit of the address
--       is reached or 0 if that of the project, and then nothing was written
local function resolve_limited(keys, args)
  local directory, address = keys[1], args[1]
  local function admit()
    local time = call('TIME')
    local now, counters = time[1] + time[2] / 1000000, {}
    for place, name in ipairs({ '', address }) do
      local most = tonumber(args[place + 1])
      if most > 0 and (place == 1 or address ~= '') then
        local key = directory .. NEW_USER_LIMITS .. name
        local wait, filled_until = wait_for_room(key, most, now)
        if wait > 0 then return { -2, math.ceil(wait), place - 1 } end
        counters[key] = filled_until
      end
    end
    for key, filled_until in pairs(counters) do
      local before, expiry = call('GET', key), expiry_restorer(key)
      call('SET', key, string.format('%.6f', filled_until), 'EX', CREATION_SECONDS + 1)
      push_undo(function()
        if before then try('SET', key, before) else try('DEL', key) end
        expiry()
      end)
    end
  end
  return resolve_each(directory, args, 4, admit)
end

-- KEYS  directory
-- ARGV  name ("x:external_id", "e:email" or "u:user_id")
-- ->    as `resolve` for one user; or nothing. A user whose record cannot be read can still be deleted, so its row has
--       the name of the argument, and 1 as a seventh value.
local function find(keys, args)
  local kind, name = args[1]:match('^(%a):(.*)$')
  local id = kind == 'u' and name or call('HGET', keys[1], args[1])
  local raw = id and call('HGET', keys[1], 'u:' .. id)
  if not raw then return false end
  local user = read_user(raw)
  if not user then return { id, kind == 'x' and name or '', kind == 'e' and name or '', 0, '', '', 1 } end
  correct_deletion_times(user) -- stored with the next change of the record
  return { id, user.x, user.e, 0, user.gone_x or '', user.gone_e or '' }
end

-- KEYS  directory
-- ARGV  user_id external_id email (the new names; one may be "")
-- ->    1; 0 if there is no such user; -1 if another user has the external_id, -2 if another user has the email
local function rename(keys, args)
  local directory, id, external_id, email = keys[1], args[1], args[2], args[3]
  local raw = call('HGET', directory, 'u:' .. id)
  if not raw then return 0 end
  local owner = external_id ~= '' and call('HGET', directory, 'x:' .. external_id)
  if owner and owner ~= id then return -1 end
  owner = email ~= '' and call('HGET', directory, 'e:' .. email)
  if owner and owner ~= id then return -2 end
  local user, removed, set = read_user_or_fail(id, raw), {}, {}
  if user.x ~= external_id then
    if user.x ~= '' then removed[#removed + 1] = 'x:' .. user.x end
    user.gone_x = name_deleted_at(directory, 'x:' .. external_id)
  end
  if user.e ~= email then
    if user.e ~= '' then removed[#removed + 1] = 'e:' .. user.e end
    user.gone_e = name_deleted_at(directory, 'e:' .. email)
  end
  user.x, user.e = external_id, email
  if external_id ~= '' then set[#set + 1], set[#set + 2] = 'x:' .. external_id, id end
  if email ~= '' then set[#set + 1], set[#set + 2] = 'e:' .. email, id end
  set[#set + 1], set[#set + 2] = 'u:' .. id, cjson.encode(user)
  set_fields(directory, set)
  remove_fields(directory, removed)
  return 1
end

-- KEYS  directory
-- ARGV  user_id external_id email (the names that the caller has, used if the record cannot be read)
-- ->    1, or 0 when there was no such user
-- Remove the names of a deleted user, so that another user can have them.
local function forget(keys, args)
  local raw = call('HGET', keys[1], 'u:' .. args[1])
  if not raw then return 0 end
  local user, names = read_user(raw), {}
  if not user then
    user = { x = args[2], e = args[3] }
    if user.x ~= '' and call('HGET', keys[1], 'x:' .. user.x) ~= args[1] then user.x = '' end
    if user.e ~= '' and call('HGET', keys[1], 'e:' .. user.e) ~= args[1] then user.e = '' end
  end
  if user.x ~= '' then names[#names + 1] = 'x:' .. user.x end
  if user.e ~= '' then names[#names + 1] = 'e:' .. user.e end
  for _, name in ipairs(names) do remember_deleted_name(keys[1], name) end
  names[#names + 1] = 'u:' .. args[1]
  remove_fields(keys[1], names)
  if user.n then write_user_index(keys[1], user.n, NO_USER) end
  return 1
end
