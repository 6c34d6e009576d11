"""The parts of attack_speed.py and suite_speed.py."""
