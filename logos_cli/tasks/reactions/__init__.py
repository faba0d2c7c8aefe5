"""What forward reactions and retrosynthesis share."""
