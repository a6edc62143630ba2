"""The gateway's data in Redis: key names, Lua functions, and the stores that call them. `redis/` is the transport."""
