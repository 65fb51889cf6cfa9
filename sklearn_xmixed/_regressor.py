"""MixedLinearRegressor: fit as a short orchestration, predict, score."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from ._parameters import EquationParameters
from ._spec import Residuals
from .compat import CallbackSupportMixin, available_if, with_callbacks
from .design._compile import Compiled, compile_design
from .design._offset import read_offset
from .design._validation import (
    check_parameters,
    seed_of,
)
from .design.batches._compile import add_batch, adds_up, compile_sums
from .estimation._callbacks import FitTasks
from .estimation._estimate import Estimate, SearchOptions, estimate
from .estimation._log import IterationLog
from .exceptions import (
    ExactFitWarning,
    NotConvergedWarning,
    UnboundedLikelihoodWarning,
)
from .fitted import (
    ResultsOptions,
    describe,
)
from .fitted._batches import Batches, batch_history, starts_of
from .fitted._fitted import FittedModel
from .fitted._score import r_squared
from .fitted._table_answers import predict_table, score_table
from .likelihood import CrossedOptions
from .postestimation import PostEstimation
from .resampling._responses import fit_responses, several_responses
from .tables import Table

__all__ = ["MixedLinearRegressor"]

Array = np.ndarray

#: rows that are in memory, of which ``predict`` makes arrays
Rows = pd.DataFrame | Array | Sequence[Sequence[float]]

#: what scikit-learn keeps of the columns that were seen
NAMES_SEEN = ("feature_names_in_", "n_features_in_")


class MixedLinearRegressor(
    EquationParameters,
    PostEstimation,
    CallbackSupportMixin,
    RegressorMixin,
    BaseEstimator,
):
    """Multilevel mixed-effects linear regression.

    Fits ``y = X beta + Z u + e`` with Gaussian random effects u at any number
    of nested levels by maximum likelihood or restricted maximum likelihood.

    Parameters
    ----------
    random_effects : None, str, RandomEffects or list of these, default=None
        Random-effects equations, top level first.  A name stands for a random
        intercept at that level.  None is linear regression.
    residuals : Residuals, default=None
        Structure of the residual errors; None stands for ``Residuals()``,
        independent with one variance.
    method : {"ml", "reml"}, default="ml"
        Maximum likelihood or restricted maximum likelihood.
    fixed : list of str, default=None
        Columns of the fixed part.  None takes every column of X that is not a
        label, weight, cluster, time, by-variable or offset.
    fit_intercept : bool, default=True
        Whether the fixed part has a constant.
    vce : {"oim", "robust", "cluster", "CR0", "CR1", "CR1S", "CR2", "CR3"}, default="oim"
        Standard errors from the observed information matrix, or from a sandwich
        clustered at the top level (robust) or at ``cluster``; these two are for ML only.
        CR0 to CR3 are sandwiches of the coefficients alone, under ML and REML, CR2
        and CR3 corrected for a small number of clusters by the working model; the
        variance parameters keep their model-based standard errors.
    cluster : str, default=None
        Name of the variable with the clusters, within which the top-level groups nest:
        with ``vce="cluster"``, and if wanted with CR0 to CR3.
    weight_type : {"frequency", "sampling", "precision"}, default="frequency"
        Meaning of ``sample_weight`` and of the equations' weights: a frequency
        weight of k is k equal rows or groups; a sampling weight is the inverse of a
        selection probability, given that the group above was selected; a precision
        weight w says that the residual variance of the row is sigma^2 / w.  Sampling
        weights imply robust standard errors.  Precision weights are of rows alone.
    weight_scaling : {None, "size", "effective", "gk"}, default=None
        How the observations' sampling weights are scaled within their groups; only
        with one level of groups.
    offset : str, default=None
        Name of a column of X or groups that is added to the linear predictor with a
        coefficient of one; it is no column of the fixed part.  ``predict`` adds that of
        the new rows.  An offset may also be an array, passed to ``fit``.
    parameterization : {"matsqrt", "matlog"}, default="matsqrt"
        The optimiser works on matrix square roots or matrix logarithms of the
        covariance matrices.  Square roots reach singular matrices.
    em_iter : int, default=20
        Largest number of EM iterations before the gradient-based search.
        The search takes over as soon as that is faster, after three; with one level of
        groups a step of scoring, which is exact in balanced data, mostly takes the place
        of these unless ``em_iter`` is 0.  With ``em_only`` all of them are used.
    em_tol : float, default=1e-10
        EM stops at a relative change of the log likelihood below this.
    em_only : bool, default=False
        Maximise by EM alone; no standard errors of variance parameters.
    solver : {"newton", "lbfgs"}, default="newton"
        Newton's method with exact Hessian, or quasi-Newton on the exact gradient.
    max_iter : int, default=100
        Largest number of gradient-based iterations.
    tol : float, default=1e-10
        Tolerance for the Newton decrement, the decrease in -2 log likelihood that one
        more step promises.
    std_errors : bool, default=True
        Whether to compute standard errors of the variance parameters.
    lr_test : bool, default=True
        Whether to compare with linear regression by a likelihood-ratio test.
    missing : {"raise", "drop"}, default="raise"
        What to do with missing values in ``fit``; with "drop", ``predict`` returns
        nan where a value is missing.
    unseen : {"zero", "nan", "raise"}, default="zero"
        What ``predict`` does with labels that were not in the training data:
        random effects of zero at that level and below, nan, or an error.
    categorical : {"raise", "treatment"}, default="raise"
        What to do with columns of the fixed part that hold text or categories: an error,
        or a column of zeros and ones for each category but the first, ``color[T.red]``.
        The first is that of the categories' order, or of the alphabet; without a constant
        the first such column has one for every category, ``color[red]``.  Truth values
        are numbers.  ``predict`` refuses categories that were not there.
    crossed : {"auto", "exact", "iterative"}, default="auto"
        How models with factors are computed: exactly, with dense factors of what
        remains once the largest term is eliminated, or by iterative solves and a
        stochastic estimate of the log determinant (``results_.monte_carlo`` says how
        accurate).  Auto is exact where predicted time and memory allow it, unless that
        takes many seconds and the iterative way gives the log likelihood to 0.01 in less
        than half of the time; ``results_.crossed`` says what was chosen, and why.
    n_probes : int, default=None
        Random vectors of the iterative way; its error falls with their square root.
        None is as many as an error of 0.005 in the log likelihood needs, from 16 to 50.
    random_state : int, RandomState or None, default=0
        Draws them.
    df_method : str, default=None
        Degrees of freedom of tests and intervals of coefficients, the default of ``df``
        in ``coef_table``, ``wald_test``, ``lincom``, ``anova`` and ``summary``.  None is
        the large sample: normal and chi-squared.  Else one of "residual",
        "between-within", "containment", "satterthwaite" and, under REML,
        "kenward-roger", "kenward-roger-linear", "kenward-roger-2009", the last three
        also with "-observed" at the end for the observed in place of the expected
        information.  The page on small samples says which to use when.
    verbose : int, default=0
        1 prints the iteration log, 2 the EM log as well.

    Attributes
    ----------
    coef_ : ndarray of shape (n_fixed,)
        Fixed effects in the order of ``fixed_names_``; 0 where a collinear
        column was omitted.
    intercept_ : float
        Constant of the fixed part, 0.0 without.
    fixed_names_ : list of str
        Columns of the fixed part.
    variance_components_ : DataFrame
        Variances and covariances, indexed by (level, term): estimate, std_error,
        ci_lower, ci_upper (95 %).
    covariances_ : dict of str to DataFrame
        Covariance matrix of the random effects of each equation.
    residual_parameters_ : dict of str to float
        Parameters of the residual structure: ``var(Residual)``, or such as ``rho``
        and ``var(e)``.
    random_effects_ : dict of str to DataFrame
        Predicted random effects (BLUPs), one row per group.
    sigma_ : float
        Residual standard deviation.
    log_likelihood_ : float
        Log likelihood, restricted under REML.
    aic_, bic_ : float
        Information criteria; N of BIC is the number of observations.
    n_groups_ : dict of str to int
        Number of groups at each level.
    converged_ : bool
        Whether the optimum is certified.
    n_iter_ : int
        Gradient-based iterations (EM iterations with ``em_only``).
    history_ : DataFrame
        The iteration log: phase, iteration, log_likelihood, criterion, note.
    sample_ : ndarray of bool
        Which rows passed to ``fit`` were used; the others had missing values or
        weights of zero.
    terms_ : tuple of Term
        Terms of the fixed part with name, factors, covariates and columns: those of a
        formula or a command, else every column of X in it.
    categories_ : dict of str to list
        With ``categorical="treatment"`` the categories of each column that was coded, the
        reference first.
    results_ : Results
        Everything the fit saves.
    n_features_in_ : int
        Number of columns of X, labels included.
    feature_names_in_ : ndarray of str
        Their names, where X had names.

    Notes
    -----
    ``random_effects`` is the specification; on a fitted estimator it can also be
    called, ``est.random_effects(return_std=True)``, for the predicted effects with
    standard errors.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(
    ...     RandomEffects("subject", ["days"], covariance="unstructured")
    ... ).fit(X, y)
    >>> round(model.log_likelihood_, 4)
    -875.9697
    >>> model.coef_.round(4), round(model.intercept_, 4)
    (array([10.4673]), 251.4051)
    """

    __metadata_request__fit = {"groups": True}  # noqa: RUF012
    __metadata_request__partial_fit = {"groups": True}  # noqa: RUF012
    __metadata_request__predict = {  # noqa: RUF012
        "groups": True,
        "kind": UNUSED,
        "level": UNUSED,
        "return_std": UNUSED,
    }
    __metadata_request__score = {"groups": True}  # noqa: RUF012

    def __init__(
        self,
        random_effects: Any = None,
        *,
        residuals: Residuals | None = None,
        method: str = "ml",
        fixed: Sequence[str] | None = None,
        fit_intercept: bool = True,
        vce: str = "oim",
        cluster: Any = None,
        weight_type: str = "frequency",
        weight_scaling: str | None = None,
        offset: str | None = None,
        parameterization: str = "matsqrt",
        em_iter: int = 20,
        em_tol: float = 1e-10,
        em_only: bool = False,
        solver: str = "newton",
        max_iter: int = 100,
        tol: float = 1e-10,
        std_errors: bool = True,
        lr_test: bool = True,
        missing: str = "raise",
        unseen: str = "zero",
        categorical: str = "raise",
        crossed: str = "auto",
        n_probes: int | None = None,
        random_state: Any = 0,
        df_method: str | None = None,
        verbose: int = 0,
    ):
        self.random_effects = random_effects
        self.residuals = residuals
        self.method = method
        self.fixed = fixed
        self.fit_intercept = fit_intercept
        self.vce = vce
        self.cluster = cluster
        self.weight_type = weight_type
        self.weight_scaling = weight_scaling
        self.offset = offset
        self.parameterization = parameterization
        self.em_iter = em_iter
        self.em_tol = em_tol
        self.em_only = em_only
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.std_errors = std_errors
        self.lr_test = lr_test
        self.missing = missing
        self.unseen = unseen
        self.categorical = categorical
        self.crossed = crossed
        self.n_probes = n_probes
        self.random_state = random_state
        self.df_method = df_method
        self.verbose = verbose

    def __sklearn_tags__(self):
        """What the estimator accepts."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = self.missing == "drop"
        coded = self.categorical == "treatment"
        tags.input_tags.categorical = coded
        tags.input_tags.string = coded or self.__dict__["random_effects"] is not None
        return tags

    # -- fit ---------------------------------------------------------------------

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        offset: Any = None,
    ) -> MixedLinearRegressor:
        """Estimate fixed effects and variance components.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Covariates; group labels may be columns of a frame.  Or a table that is not
            in memory: a polars LazyFrame, a DuckDB relation, a frame of Dask or Ibis, a
            pyarrow Dataset, or the path of Parquet or CSV files.
        y : array-like of shape (n_samples,) or (n_samples, n_responses), or str
            Response, or several: each column is fitted for itself, at its own optimum,
            and the columns of a frame give their names.  With ``missing="drop"`` every
            response has the rows in which it is not missing.  The name of its column
            where X is not in memory.
        sample_weight : array-like of shape (n_samples,) or str, default=None
            Weights of the observations, of the kind ``weight_type``.  Rows of
            weight zero are left out.  A name where X is not in memory.
        groups : array-like or data frame of shape (n_samples,) or (n_samples, \
n_levels), default=None
            Labels of the levels that are no columns of X: by column name, or by
            position, outermost level first.
        offset : array-like of shape (n_samples,) or str, default=None
            Known part of the linear predictor.  It is not kept: ``predict`` takes that of
            the new rows as an argument of its own.  A column that ``offset`` of the
            constructor names is found again.  A name where X is not in memory.

        Returns
        -------
        self : MixedLinearRegressor

        Raises
        ------
        ValueError
            On parameters out of range, unknown names, missing or infinite values,
            and inputs whose lengths differ.
        """
        check_parameters(self)
        for state in ("_fitted", "_batches"):
            self.__dict__.pop(state, None)
        if several_responses(y):
            return self._fit_responses(X, y, sample_weight, groups, offset)
        tasks = FitTasks(self, X, y, sample_weight)
        watch = tasks.passed if tasks.watched else None
        compiled = compile_design(self, X, y, sample_weight, groups, offset, watch)
        self._fitted = self._estimate(compiled, tasks.begin())
        self._warn()
        return self

    @available_if(adds_up)
    @with_callbacks
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None
    ) -> MixedLinearRegressor:
        """Add rows to a fit, of groups that are known and of new ones.

        The first call fits its rows; every later one equals one fit of all rows so
        far.  Nested models with independent residuals need of the rows only sums of
        products by group, which are kept and to which those of the new rows are added;
        the search begins where the last one ended.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Covariates of the new rows, or a table that is not in memory, as for ``fit``.
        y : array-like of shape (n_samples,), or str
            Response; the name of its column where X is not in memory.
        sample_weight : array-like of shape (n_samples,) or str, default=None
            Weights of the new rows; without, they count once.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.

        Returns
        -------
        self : MixedLinearRegressor

        Raises
        ------
        AttributeError
            For models that sums by group do not suffice for (structured residuals,
            crossed factors, weights of groups, scaled weights), after ``fit``, which
            keeps no sums, and where robust errors are asked for after the first call: the
            reason is told as its cause.
        ValueError
            If columns are others than those of the first rows, and where ``fit`` raises
            it.  What was fitted so far then stays.

        See Also
        --------
        fit : Starts anew.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor("subject")
        >>> for days in (X["days"] < 5, X["days"] >= 5):
        ...     model = model.partial_fit(X[days], y[days])
        >>> round(model.log_likelihood_, 4)
        -897.0393
        >>> model.history_.groupby("batch")[["n_rows", "n_groups"]].last()
               n_rows  n_groups
        batch
        0          90        18
        1         180        18
        """
        check_parameters(self)
        seen = {k: self.__dict__[k] for k in NAMES_SEEN if k in self.__dict__}
        batches: Batches | None = self.__dict__.get("_batches")
        try:
            so_far = None if batches is None else batches.sums
            sums = add_batch(self, so_far, X, y, sample_weight, groups)
            compiled = compile_sums(self, sums)
            tasks = FitTasks(self, X, y, sample_weight).begin()
            start = None if batches is None else starts_of(self._fitted)
            fitted = self._estimate(compiled, tasks, start)
        except BaseException:
            for name in NAMES_SEEN:  # of the rows that are not added
                self.__dict__.pop(name, None)
            self.__dict__.update(seen)
            raise
        self._fitted = fitted
        history = () if batches is None else batches.history
        self._batches = Batches(sums, (*history, batch_history(sums, fitted)))
        self._warn()
        return self

    def _estimate(
        self, compiled: Compiled, tasks: FitTasks, start: Any = None
    ) -> FittedModel:
        """Fit a design, and tell the log and the callbacks."""
        self._check_weights(compiled)
        reml = self.method == "reml"
        log = IterationLog(
            self.verbose,
            restricted=reml,
            em_only=self.em_only,
            pseudo=_vce(self) != "oim",
        )

        def watch(line: Any, snapshot: Callable[[], Estimate]) -> bool:
            log(line)
            return tasks.watched and tasks.iteration(
                line, lambda: {"_fitted": self._wrap(compiled, snapshot())}
            )

        found = estimate(
            compiled.design,
            SearchOptions(
                self.parameterization,
                self.solver,
                self.em_iter,
                self.em_tol,
                self.em_only,
                self.max_iter,
                self.tol,
            ),
            reml=reml,
            crossed=CrossedOptions(
                "exact" if _vce(self) != "oim" else self.crossed,
                self.n_probes,
                seed_of(self.random_state),
                log.plan if self.verbose else None,
            ),
            watch=watch if self.verbose or tasks.watched else None,
            start=start,
        )
        if self.std_errors and not self.em_only:
            log.standard_errors()
        fitted = self._wrap(compiled, found)
        tasks.end()
        return fitted

    def _fit_responses(
        self, X: Any, Y: Any, sample_weight: Any, groups: Any, offset: Any
    ) -> MixedLinearRegressor:
        tasks: list[FitTasks] = []

        def watch(m: int) -> Callable[[int], None]:
            tasks.append(FitTasks(self, X, Y, sample_weight, n_tasks=m).begin())
            return tasks[0].responses

        fitted, one = fit_responses(
            self, X, Y, sample_weight, groups, offset, watch=watch
        )
        for name in NAMES_SEEN:
            self.__dict__.pop(name, None)
            if hasattr(one, name):
                setattr(self, name, getattr(one, name))
        self._fitted: Any = fitted
        tasks[0].end()
        self._warn()
        return self

    def _check_weights(self, compiled: Any) -> None:
        design = compiled.design
        weighted = design.weights is not None or any(
            level.weights is not None for level in design.levels
        )
        if not weighted or not design.equations:
            return
        if self.method == "reml":
            raise ValueError(
                "Weights are not supported with method='reml' and random effects: "
                "the restricted likelihood has no weighted form. Use method='ml'."
            )
        if self.em_only:
            raise ValueError(
                "em_only=True cannot be used with weights, where EM only supplies "
                "start values. Use em_only=False."
            )

    def _wrap(self, compiled: Any, found: Estimate) -> FittedModel:
        return FittedModel.of(
            compiled,
            found,
            ResultsOptions(
                std_errors=self.std_errors and not self.em_only,
                lr_test=self.lr_test,
                vce=_vce(self),
                cluster=self.cluster,
                frequency=self.weight_type != "sampling",
                df_method=self.df_method,
            ),
            describe(self, compiled, found),
        )

    def _warn(self) -> None:
        message = self._fitted.results.message
        if not message:
            return
        category: type[Warning] = NotConvergedWarning
        if self._fitted.exact:
            category = ExactFitWarning
        elif self._fitted.unbounded:
            category = UnboundedLikelihoodWarning
        warnings.warn(message, category, stacklevel=4)

    # -- prediction --------------------------------------------------------------

    @overload
    def predict(
        self,
        X: Rows,
        *,
        groups: Any = None,
        kind: str | None = None,
        level: str | None = None,
        return_std: Literal[False] = False,
        offset: Any = None,
    ) -> Array: ...

    @overload
    def predict(
        self,
        X: Rows,
        *,
        groups: Any = None,
        kind: str | None = None,
        level: str | None = None,
        return_std: Literal[True],
        offset: Any = None,
    ) -> tuple[Array, Array]: ...

    @overload
    def predict(
        self,
        X: Any,
        *,
        groups: Any = None,
        kind: str | None = None,
        level: str | None = None,
        return_std: bool = False,
        offset: Any = None,
    ) -> Any: ...

    def predict(
        self,
        X: Any,
        *,
        groups: Any = None,
        kind: str | None = None,
        level: str | None = None,
        return_std: bool = False,
        offset: Any = None,
    ) -> Any:
        """Predict the response.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Or a table that is not in memory, as for ``fit``.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.
        kind : {"blup", "fixed"}, default=None
            Fixed part plus predicted random effects, or the fixed part alone.
            None is "blup" where labels are at hand and "fixed" otherwise.
        level : str, default=None
            Lowest level whose random effects are added; None adds all.
        return_std : bool, default=False
            Whether to return standard errors of the predicted means too.  They
            include the uncertainty of the fixed effects and, for a group that was
            not seen, the whole variance of its random effects.  Those of the fixed
            part alone are robust where ``vcov()`` is.
        offset : array-like of shape (n_samples,) or str, default=None
            Offset of these rows, added to the predictions, for models whose offset was an
            argument of ``fit``; without it they are those for an offset of zero.  A name
            where X is not in memory.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            Of a table that is not in memory the table with a column ``prediction``,
            which its engine forms when it is asked for rows.
        std : ndarray of shape (n_samples,)
            Only with ``return_std=True``; in units of the response.  Of a table that is
            not in memory a second column of the one table, ``std_error``.

        Raises
        ------
        ValueError
            With ``kind="blup"`` where no labels are given, on an unknown level, and
            on unseen labels with ``unseen="raise"``.
        """
        table = Table.of(X)
        if table is not None:
            check_is_fitted(self)
            return predict_table(
                self._fitted,
                self,
                table,
                kind=kind,
                level=level,
                return_std=return_std,
                offset=offset,
            )
        source = self._source(X, groups)
        found = self._fitted.predict(
            self, source, kind=kind, level=level, return_std=return_std
        )
        if offset is None:
            return found
        own = np.asarray(read_offset(self, source, offset, source.n_rows))
        if return_std:
            return found[0] + own, found[1]
        return found + (own if found.ndim == 1 else own[:, None])

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        offset: Any = None,
    ) -> float:
        """R^2 of the predictions.

        Rows without a prediction or a response (``missing="drop"``,
        ``unseen="nan"``) are left out.

        Parameters
        ----------
        X, groups
            As for ``predict``.
        y : array-like of shape (n_samples,), or str
            Responses of these rows; the name of a column where X is a lazy table.
        sample_weight : array-like of shape (n_samples,) or str, default=None
            Names where X is not in memory.
        offset : array-like of shape (n_samples,) or str, default=None
            Of these rows, where that of ``fit`` was an argument.

        Returns
        -------
        float
        """
        if offset is None:
            self._check_offset("Scores without offset=")
        table = Table.of(X)
        if table is not None:
            check_is_fitted(self)
            return score_table(self._fitted, self, table, y, sample_weight, offset)
        mean = self.predict(X, groups=groups, offset=offset)
        known_only = self.missing == "drop" or self.unseen == "nan"
        return r_squared(y, mean, sample_weight, known_only=known_only)


def _vce(estimator: MixedLinearRegressor) -> str:
    """Kind of standard errors; sampling weights imply robust ones."""
    if estimator.vce == "oim" and estimator.weight_type == "sampling":
        return "robust"
    return estimator.vce
