"""The same models in other notations: commands, formulas, the shell, other programs."""
