-- Workspaces, in the slot of the projects.

-- KEYS  projects
-- ARGV  workspace_id title must_be_new (1 to create it, or 0 to rename it)
-- ->    1, or 0 if it exists already (to create it) or does not exist (to rename it)
local function put_workspace(keys, args)
  local workspaces = keys[1] .. WORKSPACES
  local expected = args[3] == '1' and 0 or 1
  if call('HEXISTS', workspaces, args[1]) ~= expected then return 0 end
  call('HSET', workspaces, args[1], args[2])
  return 1
end

-- KEYS  projects
-- ARGV  workspace_id token_id (of the token that names it)
-- ->    the title, or false; and 1 if the token was revoked, or 0
local function find_workspace(keys, args)
  return {
    call('HGET', keys[1] .. WORKSPACES, args[1]),
    call('EXISTS', keys[1] .. REVOKED_WORKSPACE_TOKEN .. args[2]),
  }
end

-- KEYS  projects
-- ARGV  token_id seconds (until it would have expired)
-- ->    1
local function revoke_workspace_token(keys, args)
  call('SET', keys[1] .. REVOKED_WORKSPACE_TOKEN .. args[1], '1', 'EX', args[2])
  return 1
end
