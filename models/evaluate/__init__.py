"""Scores what the firmware sees against annotated pictures."""
