"""Ray as an engine: workers on all nodes of a cluster, each an actor that keeps what it knows of its models."""
