"""Reading and writing label maps, pictures, videos and masks."""
