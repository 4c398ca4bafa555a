"""Training of the two networks; run the modules from the folder above."""

import cv2

# OpenCV's pool of threads does not survive the fork of a data worker.
cv2.setNumThreads(1)
