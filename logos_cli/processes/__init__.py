"""What every part that starts processes needs."""
