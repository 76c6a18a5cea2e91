"""Synthetic video clips with exact masks, composed from free pictures."""
