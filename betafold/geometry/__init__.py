"""Backbone geometry: ideal values, completion with O and CB, differentiable NeRF and losses."""
