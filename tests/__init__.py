"""The specification, as tests: one folder a floor, and tidy/ for the form of the code."""
