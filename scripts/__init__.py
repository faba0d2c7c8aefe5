"""What maintainers run; none of it is installed."""
