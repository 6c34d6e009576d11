"""What a measurement runs on: device, clock, memory, random numbers, and what goes wrong there."""
