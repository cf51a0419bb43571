"""Orders of a year, month by month: every way in which a slice of data can be saved."""
