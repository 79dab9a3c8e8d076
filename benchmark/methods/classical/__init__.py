"""The base of classical methods and the search for their settings."""
