"""What an inbox is: pure and synchronous. No clock, randomness, logging, asyncio or Redis in here."""
