"""Everything that knows Redis: key names, the Lua functions, the directory of users, the pub/sub link."""
