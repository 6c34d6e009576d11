"""One test for each case of the suite."""


def test_robustness(robustness):
    robustness.check()
