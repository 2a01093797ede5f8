"""The recorded track read back for people: as files for other programs, and as a picture. Imports nothing, decides nothing.

`history` reads the database; `points` and `story` decide what it says; the others put that into a form.
"""
