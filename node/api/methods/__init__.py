"""The methods of the API, by subject: a function's name, types and docstring are the method."""
