-- The reports of gateways about the function libraries that they use. store/libraries.py deletes the other libraries.

-- KEYS  libraries
-- ARGV  name keep_seconds found… (names of libraries on the servers)
-- ->    those of the found libraries that no gateway has reported for keep_seconds
-- A library that was never reported counts as reported now, because gateways older than this function do not report. So
-- does a library with a report in the future, which was written by a clock that was ahead.
local function report_library(keys, args)
  local time = call('TIME')
  local now, keep = tonumber(time[1]) + tonumber(time[2]) / 1000000, tonumber(args[2])
  local at, found, unused, absent = string.format('%.6f', now), {}, {}, {}
  add_member(keys[1], at, args[1])
  for i = 3, #args do
    local reported = tonumber(call('ZSCORE', keys[1], args[i]) or 'inf')
    found[args[i]] = true
    if reported > now then
      add_member(keys[1], at, args[i])
    elseif reported < now - keep then
      unused[#unused + 1] = args[i]
    end
  end
  for _, name in ipairs(call('ZRANGE', keys[1], 0, -1)) do
    if not found[name] and name ~= args[1] then absent[#absent + 1] = name end
  end
  remove_members(keys[1], absent)
  return unused
end
