"""Training of the two networks; run the modules from the folder above."""
