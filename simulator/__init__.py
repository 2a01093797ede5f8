"""A stand-in for the Panic API v2 with a control room page.

It imitates the documented service closely enough to prove a client against it. It imports nothing of `agent` or `hardware`:
if both sides shared a codec they could share a mistake. It must never be taken for, or talk to, the real service.
"""
