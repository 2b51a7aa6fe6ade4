"""Seeing the broker run: figures, health, readiness, alarms and traces, with nothing of anybody in them.

Import from the modules: a client that only traces needs no figures.
"""
