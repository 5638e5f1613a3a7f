"""Long work on the log, each piece in a process of its own, so that it takes none of dispatch's time.

jobs.py: starting, reading and ending them, on the server's side. worker.py: the process. frames.py: what passes
between the two.
"""
