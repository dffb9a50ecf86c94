"""Compiled loops over arrays; nothing here knows a DataFrame, and nothing here raises."""
