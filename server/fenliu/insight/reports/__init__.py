"""Reception reports: the KPIs of docs/kpis.md, from tables that follow the journal.

schema.py: the tables. projection.py: what log entries do to them. follow.py: following the journal. worker.py:
the process that does it; supervisor.py keeps that running. kpis.py: what each KPI is. figures.py: the sums
behind them. reports.py: whole reports. Dispatch needs none of it.
"""
