"""Sequences to ranked structures with calibrated confidence."""
