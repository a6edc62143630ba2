"""One way to send a notification, shared by the REST operations and the background jobs.

command      the command to send a notification, as a backend requests it
recipients   the users whom a command names or describes
plans        the decisions that every retry repeats
outgoing     the parts of a delivery that all recipients share
outbox       the delivery that also goes to other channels
deliverer    the delivery to inboxes
sender       sending at once, or with a broadcast job
imports      the portions of an import
errors       the exceptions of this package
"""
