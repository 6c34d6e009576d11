"""A suite's images: finding, decoding, preprocessing and selecting them."""
