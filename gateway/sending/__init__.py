"""One way to send a notification, shared by the REST operations and the background jobs.

`command.py` has what a backend asks for, `plans.py` what a retry must repeat, `recipients.py` who is meant,
`deliverer.py` how it gets into the inboxes, and `sender.py` the choice between sending at once and a broadcast job.
Errors are in `errors.py`.
"""
