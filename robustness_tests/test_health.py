"""Whether attacks on the suite's models can be believed; see docs/trust.md."""


def test_health(robustness_health):
    robustness_health.check()
