"""Staffing: how many agents each hour needs so that so many first replies come in time (docs/insight.md).

recorded.py: what the reports' tables say of arrivals, handling times, patience. erlang.py: the formulas for one
buyer at a time. chat.py: the simulation for several at once. plan.py: the search, hour by hour. wording.py: what
is taken for granted, in words. task.py: all of it as a job. Figures are floats: nothing here decides anything.
"""
