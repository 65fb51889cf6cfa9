"""The parameters of an estimator, down to those of every equation."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator

from ._spec import RandomEffects
from .design._validation import equation_names, equations_of
from .fitted import RandomEffectsAccessor

__all__ = ["EquationParameters"]


class EquationParameters(BaseEstimator):
    """``get_params`` and ``set_params`` that reach into equations by name.

    ``random_effects`` is a parameter that shows the specification and, once there is a
    fit, a method for the predicted effects.
    """

    @property
    def random_effects(self) -> Any:
        """The specification; callable for the predicted effects once fitted."""
        spec = self.__dict__["random_effects"]
        fitted = self.__dict__.get("_fitted")
        return spec if fitted is None else RandomEffectsAccessor(spec, fitted)

    @random_effects.setter
    def random_effects(self, value: Any) -> None:
        if isinstance(value, RandomEffectsAccessor):
            value = value.spec
        self.__dict__["random_effects"] = value

    def _named_equations(self) -> dict[str, RandomEffects]:
        """Equations by name, as far as they can be reached inside the parameter."""
        spec = self.__dict__["random_effects"]
        if isinstance(spec, RandomEffects):
            spec = [spec]
        if not isinstance(spec, list | tuple):
            return {}
        try:
            names = equation_names(equations_of(spec))
        except (TypeError, ValueError, NotImplementedError):
            return {}
        return {
            name: equation
            for name, equation in zip(names, spec, strict=True)
            if isinstance(equation, RandomEffects)
        }

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters, with those of each equation as ``random_effects__NAME__PARAM``.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of equations and residuals.

        Returns
        -------
        dict
        """
        params = {name: self.__dict__[name] for name in sorted(self._get_param_names())}
        if not deep:
            return params
        spec = params["random_effects"]
        nested: dict[str, Any] = {"random_effects": spec} if _has_params(spec) else {}
        nested |= {
            f"random_effects__{name}": equation
            for name, equation in self._named_equations().items()
        }
        if _has_params(params["residuals"]):
            nested["residuals"] = params["residuals"]
        for prefix, part in nested.items():
            params[prefix] = part
            for key, value in part.get_params().items():
                params[f"{prefix}__{key}"] = value
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of one equation of a list.

        Parameters
        ----------
        **params : dict
            ``random_effects__NAME__PARAM`` reaches into the equation NAME,
            ``random_effects__NAME`` replaces it.

        Returns
        -------
        self
        """
        inner = {k: v for k, v in params.items() if k.startswith("random_effects__")}
        super().set_params(**{k: v for k, v in params.items() if k not in inner})
        spec = self.__dict__["random_effects"]
        for key in sorted(inner, key=lambda k: k.count("__")):  # whole equations first
            name, _, rest = key.removeprefix("random_effects__").partition("__")
            if _has_params(spec) and (name in spec.get_params() or not rest):
                super().set_params(**{key: inner[key]})
                continue
            named = self._named_equations()
            if name not in named:
                raise ValueError(self._no_equation(name, list(named)))
            if rest:
                named[name].set_params(**{rest: inner[key]})
                continue
            at = next(i for i, e in enumerate(spec) if e is named[name])
            spec = type(spec)([*spec[:at], inner[key], *spec[at + 1 :]])
            self.__dict__["random_effects"] = spec
        return self

    def _no_equation(self, name: str, names: list[str]) -> str:
        spec = self.__dict__["random_effects"]
        given = [spec] if isinstance(spec, str) else spec
        if isinstance(given, list | tuple) and name in given:
            return (
                f"The equation {name!r} is given as a name and has no parameters; write "
                f"RandomEffects({name!r}) in random_effects."
            )
        return f"random_effects has no equation {name!r}; its equations are {names}."


def _has_params(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)
