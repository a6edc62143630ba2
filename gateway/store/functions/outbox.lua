-- The outbox of a user: the entries of notifications that are to be sent on other channels than the inbox. See
-- store/outbox.py. What changes items uses these functions; deliveries.lua has those of workers.
--
-- OUTBOX of a route has the notifications by the ms at which they are due. A notification that a worker has taken has the
-- end of the lease there, with a fraction. DELIVERIES has of each notification, after its id:
--
--     a route   the claim that holds the entry (if none does, `-` and the last digits of the one that did), a space, and
--               the record that Python packed
--     -         the routes that were left out, each followed by the reason, p preference, t no token, a no address
--     =         if the notification is in no inbox: the length of its state, a space, its state and its content
--
-- The field `outbox` of the user's record has the routes that ever had an entry, so that other users pay nothing.

local outbox = {
  unlisted_seconds = 30 * 24 * 3600, -- how long what is in no inbox is kept
  removed_at_once = 10,
  plans = {}, plan_count = 0, -- by their texts: most notifications of a project have the same
}

function outbox.key(user, route) return user .. OUTBOX .. route end

-- text: `route:delay_ms route:delay_ms …`, after a `-` if the notification becomes no item
-- ->    the plan as a table
function outbox.plan_of(text)
  local plan = outbox.plans[text]
  if plan then return plan end
  plan = { is_unlisted = text:sub(1, 1) == '-' }
  for route, delay in text:gmatch('(%l):(%d+)') do
    plan[#plan + 1] = { route = route, delay = tonumber(delay), bit = ROUTES[route][1] }
  end
  if outbox.plan_count >= 256 then outbox.plans, outbox.plan_count = {}, 0 end
  outbox.plans[text], outbox.plan_count = plan, outbox.plan_count + 1
  return plan
end

-- preference: the channels of the category, or ""
-- ->    why a notification is not sent by a route, or nil
function outbox.reason_against(user, record, step, preference)
  local place, kind, field = ROUTES[step.route][2], ROUTES[step.route][3], ROUTES[step.route][4]
  if preference:sub(place, place) == '0' then return 'p' end
  if step.delay > 0 then return nil end -- a token may be registered until then
  if field ~= '' then
    local value = record[field]
    return (not value or value == 'null' or value == '[]' or value == '""') and 'a' or nil
  end
  if call('EXISTS', user .. CHANNEL_TOKENS .. kind) == 0 and call('EXISTS', user .. DEVICES) == 0 then return 't' end
end

function outbox.undo_entry(key, id) try('ZREM', key, id) end

-- Write the entries of a new notification.
-- ->    the bits of their routes
function outbox.write(user, record, item)
  local preference, left, bits = call('HGET', user .. PREFERENCES, item.category) or '', '', 0
  local now, routes, is_wished = now_ms(), record.outbox or '', false
  for _, step in ipairs(item.plan) do
    local reason = outbox.reason_against(user, record, step, preference)
    if reason then
      left = left .. step.route .. reason
      is_wished = is_wished or reason == 'p'
    else
      local key = outbox.key(user, step.route)
      call('ZADD', key, integer(now + step.delay), item.id)
      push_undo(outbox.undo_entry, key, item.id)
      bits = bits + step.bit
      if not routes:find(step.route, 1, true) then routes = routes .. step.route end
    end
  end
  -- Of a user who has no tokens and wished nothing, nothing is stored.
  if left ~= '' and (bits > 0 or is_wished) then set_fields(user .. DELIVERIES, { item.id .. '-', left }) end
  if routes == '' and (bits > 0 or is_wished) then routes = item.plan[1].route end
  if routes ~= (record.outbox or '') then
    set_fields(user, { 'outbox', routes })
    record.outbox = routes
  end
  return bits
end

-- ->    the bits of the routes on which a notification has an entry
function outbox.pending(user, record, item)
  local bits = 0
  for _, step in ipairs(item.plan) do
    if call('ZSCORE', outbox.key(user, step.route), item.id) then bits = bits + step.bit end
  end
  return bits
end

-- Remove all that is stored of a notification.
function outbox.remove(user, record, id)
  local fields = { id .. '-', id .. '=' }
  for route in record.outbox:gmatch('%l') do
    fields[#fields + 1] = id .. route
    remove_members(outbox.key(user, route), { id })
  end
  remove_fields(user .. DELIVERIES, fields)
end

-- Remove what is in no inbox and is too old.
function outbox.forget_unlisted(user, record, now)
  local old = call('ZRANGE', user .. UNLISTED, '-inf', integer(now), 'BYSCORE', 'LIMIT', 0, outbox.removed_at_once)
  for _, id in ipairs(old) do
    if record.outbox then outbox.remove(user, record, id) end
    remove_members(user .. UNLISTED, { id })
  end
end

-- Write the entries of a notification that becomes no item, and its content.
-- ->    the bits of their routes
function outbox.write_unlisted(user, record, item)
  if call('ZSCORE', user .. UNLISTED, item.id) then return outbox.pending(user, record, item) end
  local now = tonumber(call('TIME')[1])
  write_format(user, record)
  local bits = outbox.write(user, record, item)
  if not record.outbox then return bits end -- nothing was written
  outbox.forget_unlisted(user, record, now)
  add_member(user .. UNLISTED, integer(now + outbox.unlisted_seconds), item.id)
  if bits > 0 then
    local state = item.seconds .. item.scope
    set_fields(user .. DELIVERIES, { item.id .. '=', #state .. ' ' .. state .. item.content })
  end
  return bits
end
