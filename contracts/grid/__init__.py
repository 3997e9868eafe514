"""Zones, participants, meters and their readings."""
