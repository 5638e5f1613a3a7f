"""Several worker processes behind one port: which of them owns what, and how calls get there.

Each partition, and with it each shop, belongs to one worker, which alone decides for it. Any worker takes any
call; what is another's is handed on as it is. A supervisor starts them, writes the log for them, and starts those
again that die. May not know a rule, nor what a request says beyond which shop it is for. That a partition has one
owner is for speed: what keeps logs right is the journal's compare-and-swap.
"""
