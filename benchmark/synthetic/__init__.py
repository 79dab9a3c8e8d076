"""Generated stand-ins for data that cannot be redistributed, written in each dataset's official layout."""
