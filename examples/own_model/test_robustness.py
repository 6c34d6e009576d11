"""The one test that a suite needs: pytest makes a case of it for each model and attack."""


def test_robustness(robustness):
    robustness.check()
