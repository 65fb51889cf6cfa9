"""A translation: the code, or why there is none, and how its output is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

import pandas as pd

from ...design._validation import equations_of
from ...inference import CORRECTIONS
from ._model import Model
from ._r_syntax import quoted

__all__ = [
    "CannotSayError",
    "Translation",
    "common_notes",
    "refuse_weights",
    "table",
    "translated",
]


class CannotSayError(Exception):
    """The language has no words for the model; the message says for what."""


@dataclass(frozen=True)
class Translation:
    """A model in another program's language.

    Attributes
    ----------
    language : str
    code : str or None
        None where the language cannot say the model.
    reason : str
        Why it cannot; empty where it can.
    parameters : DataFrame
        One row per parameter: the value here, and how the other program's output is to
        be read (columns estimate, in_<language>).
    notes : tuple of str
        What else differs.
    """

    language: str
    code: str | None
    reason: str = ""
    parameters: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    notes: tuple[str, ...] = ()

    @property
    def possible(self) -> bool:
        """Whether there is code."""
        return self.code is not None

    def __str__(self) -> str:
        if self.code is None:
            return f"{self.language} cannot say this model: {self.reason}"
        return self.code

    def __repr__(self) -> str:
        parts = [str(self)]
        if len(self.parameters):
            parts.append(self.parameters.to_string())
        return "\n\n".join([*parts, *self.notes])

    def _repr_html_(self) -> str:
        parts = [f"<pre>{escape(str(self))}</pre>"]
        if len(self.parameters):
            parts.append(self.parameters.to_html())
        return "".join([*parts, *(f"<p>{escape(note)}</p>" for note in self.notes)])


def translated(
    language: str,
    translate: Callable[[Model, str], Translation],
    model: Model,
    data: str,
) -> Translation:
    """What a translator makes of a model, or its reason to make nothing."""
    try:
        return translate(model, data)
    except CannotSayError as error:
        return Translation(language, None, str(error))


def refuse_weights(model: Model, language: str) -> None:
    """Weights that mean something else in R and SAS, and offsets without a name."""
    estimator = model.estimator
    spec = equations_of(estimator.get_params(deep=False)["random_effects"])
    if model.results.specification.offset_is_array:
        raise CannotSayError(
            "an offset that was an array and has no name; put it into a column, and name "
            "that by offset= of the constructor."
        )
    named = [e.weight for e in spec if e.weight is not None]
    if estimator.weight_type == "sampling" or named or estimator.weight_scaling:
        raise CannotSayError(
            f"sampling weights and weights of groups; the weights of {language} are "
            "inverse residual variances."
        )


def common_notes(model: Model) -> list[str]:
    """What every translation has to add."""
    notes = []
    name, vce = model.results.cluster_name, model.results.vce
    if vce in CORRECTIONS:
        of = f", cluster = data${name}" if name else ""
        notes.append(
            f"Standard errors of the coefficients are cluster-robust here ({vce}); in R "
            f'clubSandwich\'s vcovCR(fit{of}, type = "{vce}") gives them. The code below '
            "gives model-based ones."
        )
    elif vce != "oim":
        notes.append(
            "Standard errors are robust here: a sandwich estimator clustered by "
            f"{name}, with the factor M / (M - 1). The code below "
            "gives model-based ones."
        )
    if model.weight is not None:
        notes.append(
            f"{model.weight} is the variable of the precision weights, sample_weight here."
        )
        scale = getattr(model.estimator, "_weight_scale", 1.0)
        if scale != 1.0:
            notes.append(
                "[aw=...] scales the weights to a mean of one, the code below takes them "
                f"as they are: its residual variance is that here over {scale:.6g}."
            )
    if model.formula and any(quoted(n) != n for n in (*model.fixed, *_offsets(model))):
        notes.append(
            "Some columns are made by the formula; where the code names them, they have "
            "to be put into the data."
        )
    if model.results.omitted:
        notes.append(f"Left out as collinear: {', '.join(model.results.omitted)}.")
    return notes


def _offsets(model: Model) -> list[str]:
    return [] if model.offset is None else [model.offset]


def table(
    model: Model, said: dict[tuple[str, str], str], language: str
) -> pd.DataFrame:
    """Parameters with their translations; ``said`` by (level, term)."""
    results = model.results
    rows = [
        ((results.target, name), value)
        for name, value in zip(results.fixed_names, results.beta, strict=True)
        if name not in results.omitted
    ]
    variances = results.variance_frame("variance")["estimate"]
    rows += list(variances.items())
    rows.append((("", "log likelihood"), results.log_likelihood))
    index = pd.MultiIndex.from_tuples([k for k, _ in rows], names=["equation", "term"])
    return pd.DataFrame(
        {
            "estimate": [float(v) for _, v in rows],
            f"in_{language}": [said.get(k, "") for k, _ in rows],
        },
        index=index,
    )
