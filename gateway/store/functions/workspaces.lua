-- Functions of workspaces, which share the slot of the projects. Every one takes the key of the projects.

-- KEYS  projects
-- ARGV  workspace id, title, 1 if it must be new or 0 if it must be there
-- ->    1, or 0 when it is not so
local function put_workspace(keys, args)
  local workspaces = keys[1] .. WORKSPACES
  local expected = args[3] == '1' and 0 or 1
  if call('HEXISTS', workspaces, args[1]) ~= expected then return 0 end
  call('HSET', workspaces, args[1], args[2])
  return 1
end

-- KEYS  projects
-- ARGV  workspace id, id of the token that names it
-- ->    the title, or false; and 1 if the token was revoked
local function find_workspace(keys, args)
  return {
    call('HGET', keys[1] .. WORKSPACES, args[1]),
    call('EXISTS', keys[1] .. REVOKED_WORKSPACE_TOKEN .. args[2]),
  }
end

-- KEYS  projects
-- ARGV  id of a token, seconds until it would have expired
local function revoke_workspace_token(keys, args)
  call('SET', keys[1] .. REVOKED_WORKSPACE_TOKEN .. args[1], '1', 'EX', args[2])
  return 1
end
