"""Under pytest-xdist: which worker gets which device and which cases."""
