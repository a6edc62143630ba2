"""Hostile peers at every gateway, and what others notice of them: they connect, ask and are told as ever."""

import asyncio
import json
import random
import sys
import time
from asyncio.subprocess import PIPE

import httpx
from websockets.asyncio.client import connect

from loadtest.check.servers import ADMIN, Gateway, user_headers
from loadtest.check.sites import Site
from loadtest.clients import request_head, websocket_head
from loadtest.journal import percentiles

PEERS = 1
"""Of each kind, at each gateway."""

MOST_P99_SECONDS = 5.0
"""Far more than it takes even where the peers' own programs compete for the same busy cores. What one such peer could do
before it was counted kept everybody waiting for 3 to 10 seconds, and there are many at once. The harness measures it."""
