"""The lanes to dispatch: one task and one connection each, so that none waits behind another.

alert: raises, for ever, while a press is owed. cancel: hands codes over, in order. location: newest position first, always
forward. event: messages, in order. urgent: messages of a device that may go silent. watch: reads the callout, looks for one raised
elsewhere. Only to open a connection they take turns, for seconds: see `turns`.

A lane looks at the lifecycle's state for what is wanted and posts what came of it; it decides nothing about callouts.
"""
