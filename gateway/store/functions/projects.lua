-- The projects of the store, in one slot.

-- KEYS  projects
-- ->    the format of the store: "" for an empty store, "unknown" for one that was written before there were formats
local function read_format(keys)
  local format = call('GET', keys[1] .. STORE_FORMAT)
  if format then return format end
  return call('EXISTS', keys[1], keys[1] .. WORKSPACES, keys[1] .. PROJECT_IDS) > 0 and 'unknown' or ''
end

-- KEYS  projects
-- ARGV  workspace_id workspace_title (of the default workspace) store_name (if it has none yet)
-- ->    1 if the default workspace is new, or 0
-- Write the format of an empty store, its name, and the default workspace, each unless it exists.
local function prepare_projects(keys, args)
  local projects, format = keys[1], read_format(keys)
  if format ~= '' and format ~= FORMAT then fail_by_format('the store', format) end
  if format == '' then
    call('SET', projects .. STORE_FORMAT, FORMAT)
    push_undo(function() try('DEL', projects .. STORE_FORMAT) end)
  end
  if call('SET', projects .. STORE_NAME, args[3], 'NX') then
    push_undo(function() try('DEL', projects .. STORE_NAME) end)
  end
  return call('HSETNX', projects .. WORKSPACES, args[1], args[2])
end

-- KEYS  projects
-- ARGV  api_key before (the record as it was read; "" for a new project) record project_id workspace_id now_ms
--       max_projects (of a workspace)
-- ->    1; 0 if the record has changed since it was read; -1 if there is no such workspace; -2 if it has too many
--       projects
local function put_project(keys, args)
  local projects, api_key = keys[1], args[1]
  if (call('HGET', projects, api_key) or '') ~= args[2] then return 0 end
  if call('HEXISTS', projects .. WORKSPACES, args[5]) == 0 then return -1 end
  if args[2] == '' and call('ZCARD', projects .. WORKSPACE_PROJECTS .. args[5]) >= tonumber(args[7]) then return -2 end
  set_fields(projects, { api_key, args[3] })
  set_fields(projects .. PROJECT_IDS, { args[4], api_key })
  call('ZADD', projects .. WORKSPACE_PROJECTS .. args[5], 'NX', args[6], args[4])
  return 1
end

-- KEYS  projects
-- ARGV  project_id workspace_id
-- ->    1, or 0 when there is no such project
-- The deletion is recorded until there is a job that removes the data, so that a crash in between does not lose it.
local function delete_project(keys, args)
  local projects, id = keys[1], args[1]
  local api_key = call('HGET', projects .. PROJECT_IDS, id)
  if not api_key then return 0 end
  remove_fields(projects, { api_key })
  remove_fields(projects .. PROJECT_IDS, { id })
  remove_members(projects .. WORKSPACE_PROJECTS .. args[2], { id })
  call('HSET', projects .. DELETED_PROJECTS, id, args[2])
  return 1
end

-- KEYS  projects
-- ARGV  api_key
-- ->    the ids of the projects that had this API key
-- Remove a record regardless of its content. These projects are recorded as deleted, as in `delete_project`.
local function discard_project(keys, args)
  local projects, api_key, ids = keys[1], args[1], {}
  local flat = call('HGETALL', projects .. PROJECT_IDS)
  local workspaces = call('HKEYS', projects .. WORKSPACES)
  for i = 1, #flat, 2 do
    if flat[i + 1] == api_key then
      local id, home = flat[i], workspaces[1]
      for _, workspace in ipairs(workspaces) do
        if call('ZSCORE', projects .. WORKSPACE_PROJECTS .. workspace, id) then
          home = workspace
          remove_members(projects .. WORKSPACE_PROJECTS .. workspace, { id })
        end
      end
      set_fields(projects .. DELETED_PROJECTS, { id, home or '' })
      remove_fields(projects .. PROJECT_IDS, { id })
      ids[#ids + 1] = id
    end
  end
  call('HDEL', projects, api_key)
  return ids
end

-- KEYS  projects
-- ->    the store's name ("" before it is prepared, and after it was emptied), how many projects have a record, and how
--       many should have one
local function store_state(keys)
  return {
    call('GET', keys[1] .. STORE_NAME) or '',
    call('HLEN', keys[1]),
    call('HLEN', keys[1] .. PROJECT_IDS),
  }
end

-- KEYS  projects
-- ARGV  project_id
-- ->    the record, or false
local function find_project(keys, args)
  local api_key = call('HGET', keys[1] .. PROJECT_IDS, args[1])
  return api_key and call('HGET', keys[1], api_key)
end

-- KEYS  projects
-- ARGV  workspace_id rank limit
-- ->    how many projects the workspace has, then records, oldest first
local function list_projects(keys, args)
  local projects, index = keys[1], keys[1] .. WORKSPACE_PROJECTS .. args[1]
  local result = { call('ZCARD', index) }
  local ids = call('ZRANGE', index, args[2], args[2] + args[3] - 1)
  if #ids == 0 then return result end
  for i, api_key in ipairs(call('HMGET', projects .. PROJECT_IDS, unpack(ids))) do
    result[i + 1] = api_key and call('HGET', projects, api_key)
  end
  return result
end

-- KEYS  any
-- ->    1 if the server accepts writes; otherwise it refuses to run this function, which is registered as a writing
--       function
local function check_write()
  return 1
end
