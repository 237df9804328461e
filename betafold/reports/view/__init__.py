"""Structures to look at: files in, superposed models and pictures, one page."""
