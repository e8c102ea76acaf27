"""One module a command of ``run.py``: NAME, HELP, add_arguments, run."""
