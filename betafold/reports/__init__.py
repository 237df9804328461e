"""Pages for people: figures, tables and sentences from the tables of the evaluation and calibration."""
