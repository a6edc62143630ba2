"""The data that a build of format 1 stored, and its responses. Every later build serves the data and deletes all of it.

`python -m tests.golden --write` replaces `data.json`. That is correct only while no build of the format was released.
"""
