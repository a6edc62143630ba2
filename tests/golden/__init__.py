"""What a build of format 1 stored and returned: every later build serves it and deletes all of it.

`python -m tests.golden --write` writes `data.json` anew, which is right only while no build of the format was released.
"""
