"""Structures against natives: metrics, trivial baselines, tables, intervals and calibration."""
