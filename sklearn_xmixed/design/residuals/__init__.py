"""The structure of residual errors within groups: its variables read, checked, laid out."""
