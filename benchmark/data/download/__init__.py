"""Fetching the official files of a dataset and unpacking them."""
