"""A candidate configuration beside the live one: what it would have decided otherwise, as the log grows.

candidate.py: deciding each logged command again. differences.py: what came out otherwise, one by one and in sum.
task.py: following the log, in a process of its own. Dispatch needs none of it and is not touched by it.
"""
