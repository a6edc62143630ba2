-- Functions of the slot that holds all projects and workspaces. Every one takes the key of the projects.

-- KEYS  projects
-- ARGV  default workspace id, its title
-- Make sure of the default workspace, and that every project can be found by its id: those that a gateway without
-- workspaces created belong to the default one.
-- ->    how many projects were found so
local function prepare_projects(keys, args)
  local projects, adopted = keys[1], 0
  redis.call('HSETNX', projects .. WORKSPACES, args[1], args[2])
  if redis.call('HLEN', projects) == redis.call('HLEN', projects .. PROJECT_IDS) then return 0 end
  local flat = redis.call('HGETALL', projects)
  for i = 1, #flat, 2 do
    local record = cjson.decode(flat[i + 1])
    if redis.call('HSETNX', projects .. PROJECT_IDS, record.id, flat[i]) == 1 then
      redis.call('ZADD', projects .. WORKSPACE_PROJECTS .. (record.workspace_id or args[1]), 0, record.id)
      adopted = adopted + 1
    end
  end
  return adopted
end

-- KEYS  projects
-- ARGV  api_key, the record as it was read ("" for a new one), the record, project id, workspace id, now_ms
-- ->    1; 0 when the record is not as it was read; -1 when there is no such workspace
local function put_project(keys, args)
  local projects, api_key = keys[1], args[1]
  if (redis.call('HGET', projects, api_key) or '') ~= args[2] then return 0 end
  if redis.call('HEXISTS', projects .. WORKSPACES, args[5]) == 0 then return -1 end
  redis.call('HSET', projects, api_key, args[3])
  redis.call('HSET', projects .. PROJECT_IDS, args[4], api_key)
  redis.call('ZADD', projects .. WORKSPACE_PROJECTS .. args[5], 'NX', args[6], args[4])
  return 1
end

-- KEYS  projects
-- ARGV  project id, workspace id
-- The note of the deletion stays until a job is to remove the data, whoever dies in between.
-- ->    1, or 0 when there is no such project
local function delete_project(keys, args)
  local projects, id = keys[1], args[1]
  local api_key = redis.call('HGET', projects .. PROJECT_IDS, id)
  if not api_key then return 0 end
  redis.call('HDEL', projects, api_key)
  redis.call('HDEL', projects .. PROJECT_IDS, id)
  redis.call('ZREM', projects .. WORKSPACE_PROJECTS .. args[2], id)
  redis.call('HSET', projects .. DELETED_PROJECTS, id, args[2])
  return 1
end

-- KEYS  projects
-- ARGV  project id
-- ->    the record, or false
local function find_project(keys, args)
  local api_key = redis.call('HGET', keys[1] .. PROJECT_IDS, args[1])
  return api_key and redis.call('HGET', keys[1], api_key)
end

-- KEYS  projects
-- ARGV  workspace id, rank, limit
-- ->    how many it has, then records, oldest first
local function list_projects(keys, args)
  local projects, index = keys[1], keys[1] .. WORKSPACE_PROJECTS .. args[1]
  local result = { redis.call('ZCARD', index) }
  local ids = redis.call('ZRANGE', index, args[2], args[2] + args[3] - 1)
  if #ids == 0 then return result end
  local api_keys = redis.call('HMGET', projects .. PROJECT_IDS, unpack(ids))
  for i, record in ipairs(redis.call('HMGET', projects, unpack(api_keys))) do result[i + 1] = record end
  return result
end

-- KEYS  projects
-- ARGV  workspace id, title, 1 if it must be new or 0 if it must be there
-- ->    1, or 0 when it is not so
local function put_workspace(keys, args)
  local workspaces = keys[1] .. WORKSPACES
  local expected = args[3] == '1' and 0 or 1
  if redis.call('HEXISTS', workspaces, args[1]) ~= expected then return 0 end
  redis.call('HSET', workspaces, args[1], args[2])
  return 1
end

-- KEYS  projects
-- ARGV  workspace id, id of the token that names it
-- ->    the title, or false; and 1 if the token was revoked
local function find_workspace(keys, args)
  return {
    redis.call('HGET', keys[1] .. WORKSPACES, args[1]),
    redis.call('EXISTS', keys[1] .. REVOKED_WORKSPACE_TOKEN .. args[2]),
  }
end

-- KEYS  projects
-- ARGV  id of a token, seconds until it would have expired
local function revoke_workspace_token(keys, args)
  redis.call('SET', keys[1] .. REVOKED_WORKSPACE_TOKEN .. args[1], '1', 'EX', args[2])
  return 1
end

-- Who came in a month: a HyperLogLog, in a project's own slot or in that of all.

-- KEYS  active users of a month
-- ARGV  seconds to keep it, user id …
local function add_active(keys, args)
  redis.call('PFADD', keys[1], unpack(args, 2))
  redis.call('EXPIRE', keys[1], args[1])
  return 1
end

-- KEYS  active users of a month
-- ->    how many, more or less 0.81 %
local function count_active(keys)
  return redis.call('PFCOUNT', keys[1])
end
