"""Codes Chinese policy sentences and documents by policy instrument."""

__version__ = "0.1.0"
