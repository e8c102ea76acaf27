"""One module a command of ``run.py``, with its ``run``; their arguments together in ``arguments``."""
