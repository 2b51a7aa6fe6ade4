"""The thin shell: Kafka, Faust, clocks, keys and settings; all that touches the world."""
