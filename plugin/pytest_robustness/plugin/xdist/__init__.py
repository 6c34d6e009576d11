"""Support of pytest-xdist: which worker gets which device and which cases."""
