-- Functions that change an inbox. Each one changes state, indexes, counts and log, and publishes, in one atomic step.

local DELETED, UNPUBLISHED, ROUTE_BIT = 3, 8, 16 -- of `create_each`, as in store/inbox.py
local TRIMMED_BY_CREATE = 3 -- items that one `create` removes at most; an inbox at its bound loses one for each new one

-- ->    whether an outcome of an item of this user may be recorded
local function may_have_outcome(record)
  return record.settled_until and tonumber(record.settled_until) >= tonumber(call('TIME')[1])
end

local function is_there(user, id)
  return call('HEXISTS', user .. STATES, id) == 1
end

-- item: from `item_of`, the parts of a new item that all its recipients share
local function undo_create(user, item, offset)
  try('HDEL', user .. STATES, item.id)
  try('HDEL', user .. ITEMS, item.id)
  remove_from_indexes(try, user, 0, item.category, item.topic, offset, item.id)
end

-- Read the first twelve arguments of `create` and `create_each`.
-- ->    the item, which is also the context of its events (context_of)
local function item_of(args)
  local seconds, content, category, topic = args[1]:sub(1, -4), args[6], args[7], args[8]
  return { -- created at its full size, because a table is copied each time that it grows
    ms = args[1], now_ms = tonumber(args[1]), seconds = seconds, now = tonumber(seconds), sent_at = nil,
    epoch_if_new = args[2], log_events = args[3], log_seconds = tonumber(args[4]),
    id = args[5], stored_content = not is_reference(content) and content, category = category, topic = topic,
    outcome_seconds = args[9], subscribers_only = args[10] ~= '', keep_items = args[11], keep_seconds = args[12],
    scope = (args[9] ~= '' and ' 0 0 0 r' or ' 0 0 0 ') .. integer(#category) .. ' ' .. category .. topic,
    head = '{"id":"' .. content:sub(8, 43) .. '","notification":' .. content .. ',"recipient":',
  }
end

-- Gateways' clocks differ, but the newest item of an inbox must have the latest time of sending.
-- ->    when a new item was sent
local function time_of_sending(record, context)
  local clock, sent_at = clock_beside(context.now), context.seconds
  if context.now > clock + CLOCK_SECONDS then sent_at = integer(clock) end
  if not record.sent_at or record.sent_at == sent_at then return sent_at end
  local latest = tonumber(record.sent_at)
  return latest > tonumber(sent_at) and latest <= clock + SENT_AHEAD_SECONDS and record.sent_at or sent_at
end

-- Handle a notification that becomes no item of this user.
-- is_excluded: whether the user excluded it, and not only the delivery config; by_preference: as of is_muted
-- ->    DUPLICATE; or MUTED, and the bits of the routes by which it is sent nevertheless
function outbox.deliver_elsewhere(user, record, item, is_excluded, by_preference)
  if is_there(user, item.id) then return DUPLICATE end
  -- A repetition of the request must have the same outcome.
  if item.outcome_seconds ~= '' then
    write_format(user, record)
    record_outcome(user, record, item.id, MUTED, tonumber(item.outcome_seconds))
  end
  if not item.plan or is_excluded and not by_preference then return MUTED, 0 end
  local subscription = subscription_to(user, item.category, item.topic)
  if subscription and subscription[1] == '0' then return MUTED, 0 end
  return MUTED, outbox.write_unlisted(user, record, item)
end

-- Create an item in one inbox.
-- changed: fields of the record to write (field, value, …) that `record` has already, or nil
-- ->    CREATED, DUPLICATE or MUTED; and if the item has a plan, the bits of the routes on which it has new entries, or
--       nil if these were written before
local function deliver(user, record, item, changed)
  local id, category, topic = item.id, item.category, item.topic
  -- Nearly no recipient has the item yet. So HSETNX checks for it, unless something is written or decided before.
  local outcome = may_have_outcome(record) and call('GET', user .. OUTCOME .. id)
  if outcome then return is_there(user, id) and DUPLICATE or tonumber(outcome) end
  if item.subscribers_only and not is_subscribed(user, category, topic) then
    return is_there(user, id) and DUPLICATE or MUTED
  end
  if changed then
    if is_there(user, id) then return DUPLICATE end
    write_format(user, record)
    set_fields(user, changed)
  end
  local is_excluded, by_preference = is_muted(user, category, topic)
  if is_excluded or item.plan and item.plan.is_unlisted then
    return outbox.deliver_elsewhere(user, record, item, is_excluded, by_preference)
  end
  local sent_at = time_of_sending(record, item)
  item.sent_at = sent_at ~= record.sent_at and sent_at or nil -- nothing to write if the last one has the same
  if call('HSETNX', user .. STATES, id, sent_at .. item.scope) == 0 then return DUPLICATE end
  local offset = integer((record.offset or 0) + 1)
  push_undo(undo_create, user, item, offset)
  if item.stored_content then call('HSET', user .. ITEMS, id, item.stored_content) end
  add_to_indexes(call, user, 0, category, topic, offset, id)
  local bits = item.plan and outbox.write(user, record, item)
  local data = recipient_json(user, record)
    .. ',"seen_at":null,"sent_at":' .. sent_at .. ',"read_at":null,"archived_at":null}}'
  if record.epoch then
    append(user, record, item, 'notifications/new', item.head, data, counts_after(user, record, nil, 0))
  else
    append(user, record, item, 'notifications/new', item.head, data, 1, 1, 1, 1)
  end
  -- The new item stays, whether or not old ones can be removed.
  if item.keep_items ~= '0' or item.keep_seconds ~= '0' then
    item.sent_at = nil
    attempt(trim_items, user, record, item, tonumber(item.keep_items), tonumber(item.keep_seconds), TRIMMED_BY_CREATE)
  end
  return CREATED, bits
end

-- plan: the text of the item's plan
function outbox.plan_item(item, args, plan)
  item.plan, item.content = outbox.plan_of(plan), args[6]
  return item
end

-- ->    an outcome, and the bits of the routes on which the user has entries of the item, as one number
function outbox.with_routes(user, record, item, outcome, bits)
  return outcome + ROUTE_BIT * (bits or outbox.pending(user, record, item))
end

-- ->    those of the fields of `create` that change
function outbox.changed_fields(args, record)
  local overwrite, changed = 13 + 2 * tonumber(args[13]), nil
  for i = 14, #args, 2 do
    local field, value = args[i], args[i + 1]
    if record[field] ~= value and (i < overwrite or not record[field]) then
      changed = changed or {}
      record[field] = value
      changed[#changed + 1] = field
      changed[#changed + 1] = value
    end
  end
  return changed
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds
--       item_id content category topic outcome_seconds ("" unless the request may be repeated)
--       subscribers_only ("1" to create it only for a subscriber of this category and topic, or "")
--       keep_items keep_seconds (0 is no bound)
--       #overwritten (pairs) overwritten… absent… (field, value: written always, and only if the field is absent)
-- ->    CREATED, DUPLICATE or MUTED
local function create(keys, args, record)
  return (deliver(keys[1], record, item_of(args), outbox.changed_fields(args, record)))
end

-- Create an item that is also sent on other channels.
-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds
--       item_id content category topic outcome_seconds subscribers_only keep_items keep_seconds (as of `create`)
--       #overwritten (pairs) overwritten… absent… (as of `create`)  plan (outbox.plan_of)
-- ->    CREATED, DUPLICATE or MUTED, plus ROUTE_BIT times the bits of the routes on which the user has entries of it
local function create_sent(keys, args, record)
  local plan = table.remove(args)
  local item = outbox.plan_item(item_of(args), args, plan)
  return outbox.with_routes(keys[1], record, item, deliver(keys[1], record, item, outbox.changed_fields(args, record)))
end

-- is_fresh: whether the names, each as JSON or "", are those in the directory and replace those in the record
local function deliver_to_known(user, item, is_fresh, external_id, email)
  local record, is_deleted = read_record(user)
  if is_deleted then return DELETED end
  local changed
  if external_id ~= '' and record.external_id ~= external_id and (is_fresh or not record.external_id) then
    record.external_id = external_id
    changed = { 'external_id', external_id }
  end
  if email ~= '' and record.email ~= email and (is_fresh or not record.email) then
    record.email = email
    changed = changed or {}
    changed[#changed + 1], changed[#changed + 2] = 'email', email
  end
  local outcome, bits = deliver(user, record, item, changed)
  return item.plan and outbox.with_routes(user, record, item, outcome, bits) or outcome
end

-- Create an item for several users, each in an atomic step of its own, at two thirds of the cost of calling `create` for
-- each. The users must be in one slot of a cluster.
-- KEYS  users
-- ARGV  now_ms epoch_if_new log_events log_seconds
--       item_id content category topic outcome_seconds subscribers_only keep_items keep_seconds (as of `create`)
--       fresh ("1" if the names replace those in the records, or "")
--       names… (external_id and email of each user, each as JSON or "")
-- ->    for each user CREATED, DUPLICATE, MUTED or DELETED, plus UNPUBLISHED if the event could not be published; or an
--       error, and then nothing was written for this user
local function create_each(keys, args, plan)
  if not call then begin_call() end
  local item, results = item_of(args), {}
  if plan then outbox.plan_item(item, args, plan) end
  local count, is_fresh = (#args - 13) / 2, args[13] ~= ''
  generation_key = keys[count + 2] or GENERATION
  for i = 1, count do
    undo_count, is_unpublished, item.sent_at = 0, false, nil
    local done, result = pcall(deliver_to_known, keys[i], item, is_fresh, args[12 + 2 * i], args[13 + 2 * i])
    if not done then
      undo_all()
      result = error_of(result)
    elseif is_unpublished then
      result = result + UNPUBLISHED
    end
    results[i] = result
  end
  return results
end

-- Create an item that is also sent on other channels for several users, as `create_each` does.
-- KEYS  users
-- ARGV  now_ms epoch_if_new log_events log_seconds
--       item_id content category topic outcome_seconds subscribers_only keep_items keep_seconds (as of `create`)
--       fresh names… (as of `create_each`)  plan (outbox.plan_of)
-- ->    as of `create_each`, with ROUTE_BIT times the bits of the routes on which the user has entries of the item
local function create_each_sent(keys, args)
  local plan = table.remove(args)
  return create_each(keys, args, plan)
end

local function undo_change(user, item, state)
  try('HSET', user .. STATES, item.id, item.packed)
  remove_from_indexes(try, user, item.to, state.category, state.topic, item.offset, item.id)
  add_to_indexes(try, user, item.from, state.category, state.topic, item.offset, item.id)
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  item_id transition (its code) event_name client_id (JSON or "")
-- ->    the position of the log, whether the item changed or was in that state before; false if there is no such item
local function change(keys, args, record)
  local user, context = keys[1], context_of(args)
  local id, code, name, client_id = args[5], args[6], args[7], args[8]
  local packed = call('HGET', user .. STATES, id)
  if not packed then return false end
  local state = unpack_state(packed) or fail_by_data('the state of an item')
  local from = bucket_of(state)
  apply(state, code, context.seconds)
  local to = bucket_of(state)
  if from == to then return (record.epoch or '') .. '.' .. integer(record.offset or 0) end
  local category, topic, offset = state.category, state.topic, offset_of(user, from, id)
  call('HSET', user .. STATES, id, pack_state(state))
  push_undo(undo_change, user, { id = id, packed = packed, from = from, to = to, offset = offset }, state)
  remove_from_indexes(call, user, from, category, topic, offset, id)
  add_to_indexes(call, user, to, category, topic, offset, id)
  local content = content_or_reference(call('HGET', user .. ITEMS, id), id)
  local data = item_data_json(content, state, recipient_json(user, record), client_id)
  append(user, record, context, name, '', data, counts_after(user, record, from, to))
  return record.epoch .. '.' .. integer(record.offset)
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  item_id client_id (JSON or "")
-- ->    the position of the log after it; false if there is no such item
local function delete(keys, args, record)
  local id, client_id = args[5], args[6]
  local packed = call('HGET', keys[1] .. STATES, id)
  if not packed then return false end
  remove_item(keys[1], record, context_of(args), id, packed, client_id)
  return record.epoch .. '.' .. integer(record.offset)
end

local function in_chunks(execute, command, key, values)
  for first = 1, #values, CHUNK do
    execute(command, key, unpack(values, first, math.min(first + CHUNK - 1, #values)))
  end
end

-- Move all members of one sorted set to another. The smaller of the two sets is copied.
local function move_all(source, target)
  local size, target_size = call('ZCARD', source), call('ZCARD', target)
  local fewer, more = source, target
  if size > target_size then fewer, more = target, source end
  local entries, added, moved = call('ZRANGE', fewer, 0, -1, 'WITHSCORES'), {}, {}
  for i = 1, #entries, 2 do
    added[i], added[i + 1], moved[#moved + 1] = entries[i + 1], entries[i], entries[i]
  end
  if more == source then
    push_undo(function() -- the caller undoes moving the members of `source`
      in_chunks(try, 'ZREM', source, moved)
      in_chunks(try, 'ZADD', target, added)
    end)
  end
  in_chunks(call, 'ZADD', more, added)
  call('UNLINK', fewer)
  if more == source and size > 0 then call('RENAME', source, target) end
end

-- Move some members of one sorted set to another, with their scores.
local function move_some(source, target, members, scores)
  if call('ZCARD', source) == #members then return move_all(source, target) end
  local added = {}
  for i, member in ipairs(members) do
    added[2 * i - 1], added[2 * i] = scores[i], member
  end
  in_chunks(call, 'ZREM', source, members)
  in_chunks(call, 'ZADD', target, added)
end

-- Restore the previous state and index entries of every item of a range, however many of them were already changed.
local function undo_change_range(user, ids, offsets, packed_states, from, to)
  local moved = {} -- key before, key now -> score, member, …
  local function move(key_of, category, score, member)
    local before, now = key_of(user, from, category), key_of(user, to, category)
    local one = moved[before] or { now = now, added = {}, members = {} }
    moved[before] = one
    one.added[#one.added + 1], one.added[#one.added + 2] = score, member
    one.members[#one.members + 1] = member
  end
  local states = {}
  for i, id in ipairs(ids) do
    states[2 * i - 1], states[2 * i] = id, packed_states[i]
    local state = unpack_state(packed_states[i])
    move(inbox_key, '', offsets[i], id)
    move(category_key, state.category, offsets[i], id)
    if state.topic ~= '' then
      local stamp = stamp_of(offsets[i], id)
      move(topics_key, '', 0, topic_list(state.topic) .. stamp)
      move(topics_key, '', 0, pair_list(state.category, state.topic) .. stamp)
    end
  end
  in_chunks(try, 'HSET', user .. STATES, states)
  for before, one in pairs(moved) do
    in_chunks(try, 'ZREM', one.now, one.members)
    in_chunks(try, 'ZADD', before, one.added)
  end
end

-- ->    the packed states of items. Fails if one of them is not a state, before anything is written.
local function packed_states_of(user, ids)
  local all = {}
  for first = 1, #ids, CHUNK do
    local found = call('HMGET', user .. STATES, unpack(ids, first, math.min(first + CHUNK - 1, #ids)))
    for i = 1, #found do
      if not found[i] or not unpack_state(found[i]) then fail_by_data('the state of an item') end
      all[first + i - 1] = found[i]
    end
  end
  return all
end

-- Apply a transition to the states of items.
-- ->    the packed scope of each (read_scope)
local function rewrite_states(user, ids, packed_states, code, now)
  local set_seen, set_read, set_archived = code:sub(1, 1), code:sub(2, 2), code:sub(3, 3)
  local rewritten, scopes = {}, {}
  for i, packed in ipairs(packed_states) do
    local sent, seen, read, archived, scope = packed:match('^(%d+) (%d+) (%d+) (%d+) (.*)$')
    scopes[i] = scope
    rewritten[2 * i - 1] = ids[i]
    rewritten[2 * i] = table.concat({
      sent, value_after(seen, set_seen, now), value_after(read, set_read, now),
      value_after(archived, set_archived, now), scope,
    }, ' ')
  end
  in_chunks(call, 'HSET', user .. STATES, rewritten)
  return scopes
end

-- Apply a transition to every item of a range of one bucket. An inbox may hold 100,000 items, and Redis serves no other
-- client meanwhile, so an item costs a few string operations and no command.
-- ->    how many items changed
local function change_range(user, range, from, to, code, now)
  local ids, offsets = all_of(range)
  if #ids == 0 then return 0 end
  local packed_states = packed_states_of(user, ids)
  push_undo(function() undo_change_range(user, ids, offsets, packed_states, from, to) end)
  local inbox, topics = inbox_key(user, from), topics_key(user, from)
  local is_all = range.key == inbox
  local places, members, scores = {}, {}, {} -- by category; in `topics`
  for i, scope in ipairs(rewrite_states(user, ids, packed_states, code, now)) do
    local category, topic = read_scope(scope)
    local place = places[category]
    if not place then
      place = { ids = {}, offsets = {} }
      places[category] = place
    end
    place.ids[#place.ids + 1] = ids[i]
    place.offsets[#place.offsets + 1] = offsets[i]
    if topic ~= '' and not is_all then
      local stamp, last = stamp_of(offsets[i], ids[i]), #members
      members[last + 1], members[last + 2] = topic_list(topic) .. stamp, pair_list(category, topic) .. stamp
      scores[last + 1], scores[last + 2] = 0, 0
    end
  end
  move_some(inbox, inbox_key(user, to), ids, offsets)
  for category, place in pairs(places) do
    move_some(category_key(user, from, category), category_key(user, to, category), place.ids, place.offsets)
  end
  if is_all then
    move_all(topics, topics_key(user, to))
  else
    move_some(topics, topics_key(user, to), members, scores)
  end
  return #ids
end

-- KEYS  user
-- ARGV  now_ms epoch_if_new log_events log_seconds  transition (its code) event_name data (JSON) buckets
--       #categories categories… #topics topics…
-- ->    how many items changed, and the position of the log after it (without an epoch for a user without a log); if
--       none changed, there is no event
local function change_all(keys, args, record)
  local user, context = keys[1], context_of(args)
  local code, name, data = args[5], args[6], args[7]
  local now, changed = context.seconds, 0
  local ranges_of = ranges_by(user, args, 9)
  for bucket in args[8]:gmatch('%d') do
    local probe = { sent = '1', seen = '0', read = '0', archived = '0', category = '', topic = '' }
    if is_set(bucket, 1) then probe.seen = '1' end
    if is_set(bucket, 2) then probe.read = '1' end
    if is_set(bucket, 4) then probe.archived = '1' end
    apply(probe, code, '1')
    local to = bucket_of(probe)
    if to ~= tonumber(bucket) then
      for _, range in ipairs(ranges_of(bucket)) do
        changed = changed + change_range(user, range, bucket, to, code, now)
      end
    end
  end
  if changed > 0 then append(user, record, context, name, '', data, counts(user)) end
  return { changed, (record.epoch or '') .. '.' .. integer(record.offset or 0) }
end
