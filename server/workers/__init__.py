"""Several processes on one port: a small parent, its workers, and the connections they hand to one another.

Decision record 0007 says why it is done this way.
"""
