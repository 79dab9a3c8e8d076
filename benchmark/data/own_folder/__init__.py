"""Your own folder of images and masks: its classes, its masks, and what is found in it."""
