"""Alarms: what is watched, from which value on, and what to do at night."""
