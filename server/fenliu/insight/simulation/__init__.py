"""The same window under another configuration: the report as it would have been, beside the real one.

simulation.py: the whole of it. shifts.py: agents at other times. variant.py: what else is changed of a recording.
inquiries.py: which decisions came out otherwise. scratch.py: counting it. compare.py: the reports beside each other.
assumptions.py: what is taken for granted, in words. asking.py: how it is asked for across the pipe.
"""
