"""Why one agent received more than another: the documented causes, each by what would have been without it.

causes.py: the worlds without them; shapley.py: each cause's share; figures.py: what they rested on;
sentences.py: in words; diagnose.py puts these together, in a process of its own.
"""
