"""Parts of ``benchmarks/gate_power.py``: evidence, the gate on arrays, simulations, planted changes, the page."""
