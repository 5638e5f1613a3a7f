"""Insight: what the logs tell. Reads the journal only; may not touch the live engine."""
