"""What the commands of `broker` do; `broker.cli` says how they are called."""
