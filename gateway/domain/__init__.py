"""The rules of an inbox: pure synchronous code, without a clock, randomness, logging, asyncio or Redis."""
