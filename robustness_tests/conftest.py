"""``pytest robustness_tests`` is the gate, one test a case. The health of the models is asked for by its file."""

collect_ignore = ["test_health.py"]
