"""Variance parameters: what each of them belongs to, and its name in three metrics."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["VarianceParameter", "sd_of"]


@dataclass(frozen=True)
class VarianceParameter:
    """One parameter of the random part.

    Parameters
    ----------
    equation : int or None
        Number of its equation; None for the residuals.
    level : str
        Name of the equation, "Residual" for the residuals.
    kind : {"sd", "corr", "residual", "coef"}
        "residual" is the standard deviation of independent residuals, "coef" a
        parameter of another structure that goes by a name of its own.
    effects : tuple of str
        Random effects (or residuals) it belongs to: those that share a variance, or
        the two (or more) that share a correlation.  Of a "coef" its name.
    transform : {"log", "atanh", "logit", "natural"}
        Metric of estimation of a "coef".
    category : str
        By-category of the residuals, empty without.
    """

    equation: int | None
    level: str
    kind: str
    effects: tuple[str, ...]
    transform: str = "log"
    category: str = ""

    def term(self, metric: str) -> str:
        """Its name in the metric "variance", "sd" or "estimation"."""
        name = self._term(metric)
        return f"{self.category}: {name}" if self.category else name

    def _term(self, metric: str) -> str:
        first, second = {
            "variance": ("var", "cov"),
            "sd": ("sd", "corr"),
            "estimation": ("lns", "atr"),
        }[metric]
        if self.kind == "coef":
            mark = {"log": "ln", "atanh": "atr", "logit": "logit"}.get(self.transform)
            (name,) = self.effects
            return f"{mark}({name})" if metric == "estimation" and mark else name
        if self.kind == "residual":
            return f"{first}(Residual)"
        if self.kind == "sd":
            return f"{first}({' '.join(self.effects)})"
        joint = "," if len(self.effects) == 2 else " "
        return f"{second}({joint.join(self.effects)})"


def sd_of(
    parameter: VarianceParameter, effect: str, parameters: tuple[VarianceParameter, ...]
) -> int:
    """Place among the parameters of an effect's standard deviation."""
    for k, p in enumerate(parameters):
        if (
            p.kind == "sd"
            and (p.equation, p.category) == (parameter.equation, parameter.category)
            and effect in p.effects
        ):
            return k
    raise AssertionError("every effect has a variance")
