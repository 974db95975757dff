"""What should happen: pure decisions, without input, output or a clock."""
