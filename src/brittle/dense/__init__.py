"""Networks with an answer for every pixel, such as segmentation: what breaks an image, and by which smallest change."""
