"""The ground a measurement runs on: device, clock, memory, numeric state, random numbers and device errors."""
