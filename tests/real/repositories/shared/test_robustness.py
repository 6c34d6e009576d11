def test_robustness(robustness):
    robustness.check()
