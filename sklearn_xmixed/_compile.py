"""From what the user passes to ``fit`` to a frozen design."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import _check_sample_weight, validate_data

from ._design import Design, Equation, Level, Term, kept_columns
from ._factors import Factor, check_factors, compile_factors, factor_values
from ._labels import Encoder, Source, encode, missing_rows
from ._moments import Moments
from ._spec import RandomEffects
from ._validation import equation_names, equations_of
from ._weights import group_weights, row_weights, scale_weights
from ._within import (
    check_residuals,
    compile_residuals,
    read_variables,
    rows_with_values,
)
from .covariance import get_structure
from .residuals import Within

__all__ = ["Compiled", "compile_design", "read_fixed", "variables_in_X"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Compiled:
    """A design with the names that belong to its numbers.

    Parameters
    ----------
    design : Design
        Levels without random effects of their own are left out.
    encoders : tuple of Encoder
        One per level asked for, top level first.
    level_numbers : tuple of int
        Which of these each level of the design is.
    columns : tuple of str
        Names by which the columns of X go.
    fixed_names : tuple of str
        All columns of the fixed part, in the user's order.
    kept : ndarray of bool
        Which of them are not collinear.
    extra_names : tuple of str
        Random columns that are not in the fixed part.
    shown : tuple of (str, ndarray, ndarray)
        Every level asked for, top first: sizes of its groups, and how many
        groups each stands for.
    empty : tuple of (int, str)
        Equations without any effect: place among the equations, group.
    target : str
        Name of the response.
    n_dropped : int
        Rows left out for missing values or zero weights.
    clusters : ndarray of int or None
        Cluster of each top-level group, with ``vce="cluster"``.
    factors : tuple of (Factor or None)
        One per equation of the design.
    kept_rows : ndarray of bool or None
        Which of the rows passed are in the design; None for all.
    """

    design: Design
    encoders: tuple[Encoder, ...]
    level_numbers: tuple[int, ...]
    columns: tuple[str, ...]
    fixed_names: tuple[str, ...]
    kept: Array
    extra_names: tuple[str, ...]
    shown: tuple[tuple[str, Array, Array], ...]
    empty: tuple[tuple[int, str], ...]
    target: str
    n_dropped: int
    clusters: Array | None
    factors: tuple[Factor | None, ...] = ()
    kept_rows: Array | None = None


def variables_in_X(estimator: Any, equations: Sequence[RandomEffects]) -> set[str]:
    """Names that stand for labels, weights, clusters, times and by-groups."""
    names = {e.group for e in equations if e.group != "_all"}
    names |= {e.weight for e in equations if e.weight is not None}
    names |= {e.factor for e in equations if e.factor is not None}
    residuals = estimator.residuals
    if residuals is not None:
        names |= {v for v in (residuals.time, residuals.by) if v is not None}
    if isinstance(estimator.cluster, str):
        names.add(estimator.cluster)
    return names


def compile_design(
    estimator: Any, X: Any, y: Any, sample_weight: Any, groups: Any
) -> Compiled:
    """Validate the input of ``fit`` and lay the specification over it."""
    equations = equations_of(estimator.__dict__["random_effects"])
    names = equation_names(equations)
    target = getattr(y, "name", None)
    target = target if isinstance(target, str) else "y"
    drop_missing = estimator.missing == "drop"
    finite = "allow-nan" if drop_missing else True

    if estimator.residuals is not None:
        check_residuals(estimator.residuals, equations)
    check_factors(estimator, equations)
    special = variables_in_X(estimator, equations)
    groups_in_order = list(dict.fromkeys(e.group for e in equations))
    labels: dict[str, Any] = dict.fromkeys(groups_in_order)
    source: Source | None = None
    if not special and estimator.fixed is None and not drop_missing:
        X_fixed, y = validate_data(estimator, X, y, y_numeric=True, dtype=np.float64)
        if y.dtype != np.float64:
            y = y.astype(np.float64)
        columns = fixed_names = _feature_names(estimator)
    else:
        source = Source.of(X, groups)
        validate_data(estimator, X, y, skip_check_array=True)
        columns = source.columns
        fixed_names = _fixed_names(estimator, source, special)
        labels = _labels(source, groups_in_order)  # before text trips over numbers
        X_fixed, y = _check_xy(estimator, source, fixed_names, y, finite)
    n = y.shape[0]

    weights = None
    if sample_weight is not None:
        if drop_missing:  # a row without a weight is left out like one of weight zero
            sample_weight = _zero_for_missing(sample_weight)
        weights = _check_sample_weight(
            sample_weight, y, dtype=np.float64, ensure_non_negative=True
        )
        weights = row_weights(weights, "sample_weight")

    level_weights = _level_weights(source, equations, drop_missing)
    cluster = _cluster(estimator, source)
    extra_names = _extra_names(equations, fixed_names)
    extra = _extra_columns(source, extra_names, n, drop_missing)
    error_values = read_variables(source, estimator.residuals)
    over = factor_values(source, equations)

    keep_rows = _rows_to_keep(
        estimator,
        X_fixed,
        y,
        extra,
        {
            **labels,
            **over,
            **({} if cluster is None else {f"cluster {estimator.cluster}": cluster}),
        },
        [w for w in (weights, *level_weights.values()) if w is not None],
    )
    complete = rows_with_values(error_values, estimator.residuals, estimator.missing)
    if complete is not None:
        keep_rows = complete if keep_rows is None else keep_rows & complete
    n_dropped = 0
    if keep_rows is not None:
        n_dropped = n - int(keep_rows.sum())
        X_fixed, y, extra = X_fixed[keep_rows], y[keep_rows], extra[keep_rows]
        weights = None if weights is None else weights[keep_rows]
        labels = {
            g: (None if v is None else np.asarray(v)[keep_rows])
            for g, v in labels.items()
        }
        level_weights = {g: w[keep_rows] for g, w in level_weights.items()}
        cluster = None if cluster is None else np.asarray(cluster)[keep_rows]
        error_values = {k: np.asarray(v)[keep_rows] for k, v in error_values.items()}
        over = {k: np.asarray(v)[keep_rows] for k, v in over.items()}
        n = len(y)
        if n == 0:
            raise ValueError(
                "No rows are left after dropping those with missing values."
            )

    levels, encoders = _levels(groups_in_order, labels, n)
    if level_weights or estimator.weight_scaling is not None:
        weights, levels = _weigh(
            estimator.weight_scaling,
            weights,
            level_weights,
            levels,
            encoders,
            equations,
        )
    clusters = None if cluster is None else _nested_clusters(cluster, levels, encoders)
    within = compile_residuals(
        estimator.residuals,
        error_values,
        np.arange(n) if not levels else levels[-1].codes,
        encoders,
        weighted=weights is not None,
    )
    factors, terms = compile_factors(equations, names, over, levels)
    compiled = _assemble(
        estimator,
        equations,
        names,
        levels,
        encoders,
        X_fixed,
        y,
        extra,
        weights,
        columns,
        fixed_names,
        extra_names,
        target,
        n_dropped,
        clusters,
        within,
        factors,
        terms,
    )
    return replace(compiled, kept_rows=keep_rows)


def _feature_names(estimator: Any) -> list[str]:
    """Names of the columns that ``fit`` saw; x0, x1, ... of an array."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return [str(c) for c in names]
    return [f"x{j}" for j in range(estimator.n_features_in_)]


def _fixed_names(estimator: Any, source: Source, special: set[str]) -> list[str]:
    if estimator.fixed is None:
        return [c for c in source.columns if c not in special]
    fixed = estimator.fixed
    if isinstance(fixed, str):
        raise TypeError(
            f"fixed must be a list of column names or None, got the string {fixed!r}; "
            f"write fixed=[{fixed!r}]."
        )
    if not isinstance(fixed, Iterable):
        raise TypeError(f"fixed must be a list of column names or None, got {fixed!r}.")
    fixed = list(fixed)
    unknown = [c for c in fixed if c not in source.columns]
    if unknown:
        raise ValueError(f"fixed names unknown columns {unknown}. {source.describe()}")
    return fixed


def _check_xy(
    estimator: Any, source: Source, fixed_names: list[str], y: Any, finite: Any
) -> tuple[Array, Array]:
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y "
            "is None."
        )
    X = np.empty((source.n_rows, 0))
    if fixed_names:
        try:
            X = check_array(
                source.matrix(fixed_names),
                dtype=np.float64,
                ensure_all_finite=finite,
                estimator=estimator,
                input_name="X",
            )
        except ValueError as error:
            if "could not convert string to float" in str(error):
                raise ValueError(
                    f"{error}: a column of the fixed part holds text. The fixed part "
                    f"is {fixed_names}; name the columns you want by fixed=[...], or "
                    "encode them (ColumnTransformer with OneHotEncoder, say)."
                ) from error
            raise
    y = check_array(
        column_or_1d(y, warn=True),
        ensure_2d=False,
        dtype=np.float64,
        ensure_all_finite=finite,
        ensure_min_samples=0,
        input_name="y",
    )
    check_consistent_length(X, y)
    return X, y


def _labels(source: Source | None, groups: list[str]) -> dict[str, Any]:
    wanted = [g for g in groups if g != "_all"]
    if not wanted:
        return dict.fromkeys(groups)
    assert source is not None
    found = source.levels(wanted)
    lost = [g for g in wanted if found[g] is None]
    if lost:
        hint = (
            " A transformer before this step may have dropped or renamed them: call "
            "set_output(transform='pandas') on it, and give a ColumnTransformer "
            "remainder='passthrough' and verbose_feature_names_out=False."
        )
        raise ValueError(
            f"No labels for the levels {lost}. {source.describe()} Put the labels into X "
            f"as columns of these names, or pass groups= to fit.{hint}"
        )
    return {g: found.get(g) for g in groups}


def _extra_names(equations: list[RandomEffects], fixed_names: list[str]) -> list[str]:
    out: list[str] = []
    for equation in equations:
        for name in equation.columns:
            if name not in fixed_names and name not in out:
                out.append(name)
    return out


def _extra_columns(
    source: Source | None, names: list[str], n: int, allow_nan: bool
) -> Array:
    out = np.empty((n, len(names)))
    for j, name in enumerate(names):
        assert source is not None
        values = source.column(name)
        if values is None:
            raise ValueError(
                f"The random coefficient {name!r} is no column of X or groups. "
                f"{source.describe()}"
            )
        out[:, j] = check_array(
            np.asarray(values),
            ensure_2d=False,
            dtype=np.float64,
            ensure_all_finite="allow-nan" if allow_nan else True,
            input_name=f"column {name!r}",
        )
    return out


def _level_weights(
    source: Source | None, equations: list[RandomEffects], drop_missing: bool
) -> dict[str, Array]:
    """Weights per row of the levels that have them."""
    found: dict[str, tuple[str, Array]] = {}
    for equation in equations:
        name = equation.weight
        if name is None:
            continue
        if equation.group in found and found[equation.group][0] != name:
            raise ValueError(
                f"The equations of level {equation.group!r} name two weights, "
                f"{found[equation.group][0]!r} and {name!r}; a level has one."
            )
        assert source is not None
        values = source.column(name)
        if values is None:
            raise ValueError(
                f"The weight {name!r} of level {equation.group!r} is no column of X or "
                f"groups. {source.describe()}"
            )
        if drop_missing:
            values = _zero_for_missing(values)
        weights = row_weights(np.asarray(values), f"weight {name!r}")
        found[equation.group] = name, weights
    return {group: values for group, (_, values) in found.items()}


def _zero_for_missing(weights: Any) -> Array:
    out = np.asarray(weights, dtype=np.float64)
    return np.where(np.isnan(out), 0.0, out)


def _cluster(estimator: Any, source: Source | None) -> Any:
    """Cluster labels per row, None without."""
    if estimator.vce != "cluster":
        return None
    if not isinstance(estimator.cluster, str):
        raise ValueError(
            "vce='cluster' needs cluster=, the name of a column of X or groups; got "
            f"cluster={estimator.cluster!r}."
        )
    assert source is not None
    values = source.column(estimator.cluster)
    if values is None:
        raise ValueError(
            f"The cluster variable {estimator.cluster!r} is no column of X or groups. "
            f"{source.describe()}"
        )
    return values


def _nested_clusters(
    cluster: Any, levels: list[Level], encoders: list[Encoder]
) -> Array:
    """Cluster number of each top-level group (of each row without levels)."""
    codes, labels = pd.factorize(cluster)
    if not levels:
        return codes
    top = levels[0]
    out = np.empty(top.n_groups, dtype=codes.dtype)
    out[top.codes] = codes
    split = out[top.codes] != codes
    if split.any():
        group = int(top.codes[np.argmax(split)])
        found = np.asarray(labels)[np.unique(codes[top.codes == group])].tolist()
        raise ValueError(
            f"The groups of the top level must nest in the clusters, but group "
            f"{np.asarray(encoders[0].own_labels)[group]!r} of {top.group!r} lies in the "
            f"clusters {found[:5]}."
        )
    return out


def _weigh(
    scaling: str | None,
    weights: Array | None,
    level_weights: dict[str, Array],
    levels: list[Level],
    encoders: list[Encoder],
    equations: list[RandomEffects],
) -> tuple[Array | None, list[Level]]:
    """Put the weights of the groups into the levels, scaled as asked for."""
    names = {e.group: e.weight for e in equations if e.weight is not None}
    weighted = []
    for number, level in enumerate(levels):
        if level.group in level_weights:

            def label(k: int, number: int = number) -> str:
                return _shown(path_frame(encoders, number)[k])

            own = group_weights(
                level_weights[level.group],
                level.codes,
                level.n_groups,
                names[level.group],
                label,
            )
            level = replace(level, weights=own)
        weighted.append(level)
    if scaling is not None:
        if len(levels) != 1 or levels[0].group == "_all":
            raise ValueError(
                f"weight_scaling={scaling!r} is defined for models with one level of "
                f"groups, this one has {len(levels)}: no scaling across more levels is "
                "agreed upon. Pass weights that are conditional on the level above, and "
                "weight_scaling=None."
            )
        level = weighted[0]
        rows = np.ones(len(level.codes)) if weights is None else weights
        own = np.ones(level.n_groups) if level.weights is None else level.weights
        weights, own = scale_weights(scaling, rows, own, level.codes)
        weighted = [replace(level, weights=own)]
    return weights, weighted


def _shown(label: Any) -> str:
    """A path of labels as text."""
    if isinstance(label, tuple):
        return "(" + ", ".join(_shown(part) for part in label) + ")"
    return repr(label.item() if isinstance(label, np.generic) else label)


def _rows_to_keep(
    estimator: Any,
    X: Array,
    y: Array,
    extra: Array,
    labels: dict[str, Any],
    weights: list[Array],
) -> Array | None:
    """Rows without missing values and with positive weights; None for all."""
    keep: Array | None = None
    for group, values in labels.items():
        if values is None:
            continue
        gone = missing_rows(values)
        if gone.any():
            if estimator.missing != "drop":
                raise ValueError(
                    f"The labels of level {group!r} are missing in {int(gone.sum())} "
                    f"rows (the first is row {int(np.argmax(gone))}). Give them a "
                    "label, or set missing='drop' to leave these rows out."
                )
            keep = ~gone if keep is None else keep & ~gone
    if estimator.missing == "drop":
        gone = np.isnan(y) | np.isnan(X).any(axis=1) | np.isnan(extra).any(axis=1)
        if gone.any():
            keep = ~gone if keep is None else keep & ~gone
    for w in weights:
        if not w.all():
            keep = w > 0 if keep is None else keep & (w > 0)
    return keep


def _levels(
    groups: list[str], labels: dict[str, Any], n: int
) -> tuple[list[Level], list[Encoder]]:
    levels, encoders = [], []
    parents: Array | None = None
    for group in groups:
        encoder, codes = encode(group, labels[group], parents, n)
        above = (
            np.zeros(encoder.n_groups, dtype=np.intp)
            if parents is None
            else encoder.parents
        )
        levels.append(Level(group, codes, encoder.n_groups, above))
        encoders.append(encoder)
        parents = codes
    return levels, encoders


def _assemble(
    estimator: Any,
    equations: list[RandomEffects],
    names: list[str],
    levels: list[Level],
    encoders: list[Encoder],
    X: Array,
    y: Array,
    extra: Array,
    weights: Array | None,
    columns: list[str],
    fixed_names: list[str],
    extra_names: list[str],
    target: str,
    n_dropped: int,
    clusters: Array | None,
    within: Within | None,
    factors: dict[int, tuple[Equation, Factor]],
    terms: tuple[Term, ...],
) -> Compiled:
    """Decide which columns stay and number everything."""
    intercept = bool(estimator.fit_intercept)
    k, e = X.shape[1], extra.shape[1]
    moments = Moments.of([X, extra, y], _total_weights(weights, levels))
    raw = [*X.T, *extra.T]
    kept = kept_columns(moments, np.arange(k), raw, constant=intercept, weights=weights)

    # raw columns after the omission: kept X, then what only has random effects
    index = {name: j for j, name in enumerate([*fixed_names, *extra_names])}
    wanted = dict.fromkeys(c for eq in equations for c in eq.columns)
    aside = [c for c in wanted if index[c] >= k or not kept[index[c]]]
    if not kept.all() or len(aside) != e:
        left = [int(j) for j in np.flatnonzero(kept)] + [index[c] for c in aside]
        extra = (
            np.column_stack([raw[index[c]] for c in aside])
            if aside
            else np.empty((len(y), 0))
        )
        if not kept.all():
            X = X[:, kept]
        at = np.array([*left, k + e], dtype=int)
        moments = Moments(moments.n, moments.mean[at], moments.centred[np.ix_(at, at)])
        new = [n for n, stay in zip(fixed_names, kept, strict=True) if stay] + aside
        index = {name: j for j, name in enumerate(new)}
        raw = [*X.T, *extra.T]

    has_constant = _constant_places(equations)
    compiled: list[Equation] = []
    empty: list[tuple[int, str]] = []
    groups = [level.group for level in levels]
    of_equation: list[Factor | None] = []
    for place, (spec, name) in enumerate(zip(equations, names, strict=True)):
        if place in factors:
            equation, factor = factors[place]
            compiled.append(equation)
            of_equation.append(factor)
            continue
        own = np.array([index[c] for c in spec.columns], dtype=int)
        stay = np.ones(len(own), dtype=bool)
        if not spec.collinear:
            stay = kept_columns(
                moments, own, raw, constant=has_constant[place], weights=weights
            )
        effects = [c for c, s in zip(spec.columns, stay, strict=True) if s]
        positions = [1 + int(c) for c in own[stay]]
        if has_constant[place]:
            effects.append("_cons")
            positions.append(0)
        if not effects:
            empty.append((place, spec.group))
            continue
        structure = spec.covariance or "independent"
        if len(effects) == 1:
            structure = "identity"
        of_equation.append(None)
        compiled.append(
            Equation(
                name,
                groups.index(spec.group),
                tuple(effects),
                tuple(positions),
                get_structure(structure, len(effects)),
                tuple(c for c, s in zip(spec.columns, stay, strict=True) if not s),
            )
        )

    frequency = estimator.weight_type == "frequency"
    shown = _group_sizes(levels, weights if frequency else None, frequency)
    final: list[Level] = []
    used: list[int] = []
    skipped = False
    for number, level in enumerate(levels):
        mine = [eq for eq in compiled if eq.level == number]
        if not mine:
            if level.weights is not None:
                raise ValueError(
                    f"Level {level.group!r} has weights but no random effects; give it "
                    "a random intercept, or put the weights into sample_weight."
                )
            skipped = True
            continue
        places = dict.fromkeys(p for eq in mine for p in eq.positions)
        final.append(
            replace(
                level,
                columns=tuple(p - 1 for p in places if p),
                constant=0 in places,
                parents=(
                    _parents_among(level, final[-1] if final else None)
                    if skipped
                    else level.parents
                ),
            )
        )
        used.append(number)
    renumber = {number: i for i, number in enumerate(used)} | {-1: -1}
    design = Design(
        X,
        extra,
        y,
        weights,
        intercept,
        tuple(final),
        tuple(replace(eq, level=renumber[eq.level]) for eq in compiled),
        moments,
        residual=within,
        terms=terms,
    ).sorted()
    return Compiled(
        design,
        tuple(encoders),
        tuple(used),
        tuple(columns),
        tuple(fixed_names),
        kept,
        tuple(aside),
        shown,
        tuple(empty),
        target,
        n_dropped,
        clusters,
        tuple(of_equation),
    )


def _total_weights(weights: Array | None, levels: list[Level]) -> Array | None:
    """Products of the weights of each row and its groups."""
    for level in levels:
        if level.weights is not None:
            own = level.weights[level.codes]
            weights = own if weights is None else weights * own
    return weights


def _group_sizes(
    levels: list[Level], weights: Array | None, frequency: bool
) -> tuple[tuple[str, Array, Array], ...]:
    """Observations per group and copies of each group, level by level."""
    out: list[tuple[str, Array, Array]] = []
    rows = weights
    for k in reversed(range(len(levels))):
        level = levels[k]
        sizes = np.bincount(level.codes, rows, minlength=level.n_groups)
        copies = np.ones(level.n_groups)
        if frequency:
            at = np.arange(level.n_groups)
            for above in levels[k::-1]:
                if above.weights is not None:
                    copies = copies * above.weights[at]
                at = above.parents[at]
            rows = _total_weights(rows, [level])
        out.append((level.group, sizes, copies))
    return tuple(out[::-1])


def _parents_among(level: Level, above: Level | None) -> Array:
    """Parent of each group when levels without effects are left out."""
    parents = np.zeros(level.n_groups, dtype=np.intp)
    if above is not None:
        if len(level.parents) and above.n_groups > 1:
            parents[level.codes] = above.codes
    return parents


def _constant_places(equations: list[RandomEffects]) -> list[bool]:
    """Which equation of each level holds the random intercept.

    The last of a level's equations that does not refuse it.
    """
    out = [False] * len(equations)
    for place in reversed(range(len(equations))):
        spec = equations[place]
        taken = any(
            out[i] and equations[i].group == spec.group for i in range(len(equations))
        )
        out[place] = bool(spec.intercept) and spec.factor is None and not taken
    return out


def read_fixed(estimator: Any, source: Source, names: Sequence[str]) -> Array:
    """The fixed part's columns of new data, validated."""
    if not names:
        return np.empty((source.n_rows, 0))
    return check_array(
        source.matrix(names),
        dtype=np.float64,
        ensure_all_finite="allow-nan" if estimator.missing == "drop" else True,
        estimator=estimator,
        input_name="X",
    )


def path_frame(encoders: Sequence[Encoder], upto: int) -> pd.Index:
    """Index of the groups of a level: their paths of labels, outermost first."""
    arrays, names = [], []
    at = np.arange(encoders[upto].n_groups)
    for number in range(upto, -1, -1):
        encoder = encoders[number]
        if encoder.group == "_all" and number < upto:
            break  # says nothing
        arrays.append(np.asarray(encoder.own_labels)[at])
        names.append(encoder.group)
        at = encoder.parents[at]
    if len(arrays) == 1:
        return pd.Index(arrays[0], name=names[0])
    return pd.MultiIndex.from_arrays(arrays[::-1], names=names[::-1])
