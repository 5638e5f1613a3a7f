"""Fenliu (分流): decides which customer-service agent of an online shop receives which buyer."""

__version__ = "0.1.0"
