"""Sets the gate up in somebody's repository: looks at it and at a model, and writes a suite, a test and a workflow."""
