"""Methods of a fitted model that test and combine its estimates."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..inference import (
    Hypotheses,
    WaldFTest,
    WaldTest,
    anova,
    combine,
    information_criteria,
    named_columns,
    wald_test,
)
from ._base import FittedMethods

__all__ = ["TestMethods"]


class TestMethods(FittedMethods):
    """Wald tests and combinations of estimates.

    Expressions are arithmetic in names of estimates with numbers, ``+ - * / ^ ( )`` and
    functions such as exp, log and sqrt.  A fixed effect goes by the name of its
    column, the constant by ``_cons``; names with characters other than letters, digits,
    ``_``, ``.`` and ``#`` stand between backticks or in ``_b[...]``.  A parameter of the
    random part is ``_b[level:term]`` with its term in any metric,
    ``_b[subject:sd(_cons)]``, ``_b[subject:var(_cons)]`` or
    ``_b[subject:lns(_cons)]``.  ``summary(coef_legend=True)`` lists the names.
    """

    __test__ = False

    def wald_test(
        self, hypothesis: Any, value: Any = None, *, df: str | None = None
    ) -> WaldTest | WaldFTest:
        """Test equations between estimates, the manual's ``test`` and ``testnl``.

        Parameters
        ----------
        hypothesis : str, list of str, DataFrame or array-like
            Equations such as ``"x1 = x2"``, separated by commas or in a list, that are
            tested jointly.  ``"x1 = x2 = x3"`` are two of them, and a name alone is to be
            zero.  Or a matrix R of ``R theta = value``: one row per constraint, one
            column per coefficient in the order of ``coef_table()`` or per parameter in
            the order of ``vcov()``; a frame's columns are found by name.
        value : float or array-like, default=None
            Right-hand side of a matrix, default 0.
        df : str, default=None
            Degrees of freedom for small samples: a method as of ``df_method`` in the
            constructor, which is the default; "asymptotic" is the large sample.

        Returns
        -------
        WaldTest or WaldFTest
            With ``chi2``, ``df``, ``p_value``, ``constraints``; with degrees of freedom
            for small samples ``f_value``, ``df`` (numerator), ``df_denom``, ``p_value``
            and ``scale``, the factor of Kenward and Roger's F.  Prints as in the manual.

        Raises
        ------
        ValueError
            On an equation that cannot be read, a name that is none (the place is
            marked), constraints that contradict each other, estimates without
            standard errors, and a variance that is to be zero, which is no matter for a
            Wald test.

        Notes
        -----
        With g = R theta - value, or g(theta) of a nonlinear hypothesis and R its
        exact slope, chi2 = g' (R V R')^-1 g, V = ``vcov()``.  Of a nonlinear hypothesis the
        statistic depends on how it is written.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_productivity
        >>> X, y = load_productivity(return_X_y=True)
        >>> inputs = ["private", "emp", "hwy", "water", "other", "unemp"]
        >>> model = MixedLinearRegressor(["region", "state"], fixed=inputs).fit(X, y)
        >>> print(model.wald_test("hwy = water"))
         ( 1)  [gsp]hwy - [gsp]water = 0
        <BLANKLINE>
                   chi2(  1) =     0.04
                 Prob > chi2 =    0.8476
        >>> model.wald_test(["private + emp + hwy + water + other = 1", "unemp"]).df
        2
        >>> print(model.wald_test("hwy = water", df="satterthwaite"))
         ( 1)  [gsp]hwy - [gsp]water = 0
        <BLANKLINE>
               F(  1,  402.70) =     0.04
                      Prob > F =    0.8476
        """
        results = self._results()
        return wald_test(results, hypothesis, value, self._fitted.reference(df))

    def lincom(
        self,
        expression: Any,
        confidence_level: float = 0.95,
        *,
        df: str | None = None,
    ) -> pd.DataFrame:
        """Linear combinations of estimates with standard errors and intervals.

        Parameters
        ----------
        expression : str, list of str or dict of str
            Such as ``"_cons + 10 * days"``; the keys of a dict name the rows.
        confidence_level : float, default=0.95
            Of the intervals, between 0 and 1.
        df : str, default=None
            Degrees of freedom for small samples: a method as of ``df_method`` in the
            constructor, which is the default; "asymptotic" is the large sample.

        Returns
        -------
        DataFrame
            One row per expression: estimate, std_error, z, p_value, ci_lower, ci_upper;
            t and df in place of z with degrees of freedom for small samples.

        Raises
        ------
        ValueError
            On an expression that cannot be read (the place is marked) or is not
            linear, and on ``df`` where it is not defined.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor("subject").fit(X, y)
        >>> model.lincom({"day 0": "_cons", "day 9": "_cons + 9*days"}).round(2)
                    estimate  std_error      z  p_value  ci_lower  ci_upper
        expression
        day 0         251.41       9.51  26.45      0.0    232.77    270.04
        day 9         345.61       9.51  36.36      0.0    326.98    364.24
        """
        return combine(
            self._results(),
            expression,
            confidence_level,
            linear=True,
            reference=self._fitted.reference(df),
        )

    def nlcom(self, expression: Any, confidence_level: float = 0.95) -> pd.DataFrame:
        """Nonlinear combinations of estimates by the delta method.

        Parameters
        ----------
        expression, confidence_level
            As for ``lincom``, of any form.

        Returns
        -------
        DataFrame
            One row per expression: estimate, std_error, z, p_value, ci_lower, ci_upper.

        Raises
        ------
        ValueError
            On an expression that cannot be read or has no value; the place is marked.

        Warns
        -----
        MixedModelWarning
            Where an estimate has no standard error; the combination then has none.

        Notes
        -----
        The variance is g' V g with the exact slope g of the expression in the parameters
        of ``vcov()``; intervals are symmetric, so that a bounded quantity is better
        transformed: ``"log(x)"``, then ``exp``.

        Examples
        --------
        The share of the variance that is between subjects:

        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor("subject").fit(X, y)
        >>> between, within = "_b[subject:var(_cons)]", "_b[Residual:var(Residual)]"
        >>> share = model.nlcom(f"{between} / ({between} + {within})")
        >>> share[["estimate", "std_error"]].round(4).to_numpy()
        array([[0.576 , 0.0921]])
        """
        return combine(self._results(), expression, confidence_level, linear=False)

    def anova(
        self, type: int = 3, *, terms: Any = None, df: str | None = None
    ) -> pd.DataFrame:
        """Tests of the terms of the fixed part, a row for each.

        Parameters
        ----------
        type : {1, 2, 3}, default=3
            1: each term given those before it.  2: given all terms that do not contain
            it, as ``a:b`` contains ``a``.  3: given all others, those that contain it
            averaged with equal weights over the levels of the other factors; with
            empty cells as SAS defines it.  The coding of factors does not matter.
        terms : dict of str to list of str, default=None
            Columns that are tested together, by names of your own.  None takes
            ``terms_``: the terms of a formula or a command, else each column.
        df : str, default=None
            Degrees of freedom for small samples: a method as of ``df_method`` in the
            constructor, which is the default; "asymptotic" is the large sample.

        Returns
        -------
        DataFrame
            Index: the terms without the constant; columns df, chi2, p_value, or with
            degrees of freedom for small samples df (numerator), f_value, df_denom,
            p_value.  df is 0 where nothing of a term can be
            estimated.  ``attrs`` holds ``title``, ``method`` and, where there is
            something to bear in mind, ``note``.

        Raises
        ------
        ValueError
            If ``type`` is none of these, ``terms`` names a column that there is not, or
            ``df`` is no method or not defined for this fit.

        Warns
        -----
        MixedModelWarning
            With type 3, where combinations of levels have no rows.

        See Also
        --------
        wald_test : Any other hypothesis.

        Notes
        -----
        A term contains another if it has the same covariates and more factors.  Type 2
        compares in the metric of least squares, as SAS and lmerTest do, whatever the
        variances.

        Of columns that are named by ``terms``, and of single ones, none contains
        another: types 2 and 3 are the joint Wald tests of the columns.  Where the
        columns do not span all combinations of levels (``noconstant``, chosen levels),
        type 3 is that too, with a warning.  For type 1 columns in none of ``terms``
        come first.

        Examples
        --------
        >>> from sklearn_xmixed import from_formula
        >>> from sklearn_xmixed.datasets import load_orthodont
        >>> orthodont = load_orthodont().frame
        >>> fit = from_formula(
        ...     "distance ~ C(sex, contr.sum) * age + (1 | subject)", orthodont,
        ...     method="reml",
        ... )
        >>> fit.anova().round(4)
                               df      chi2  p_value
        term
        C(sex, contr.sum)       1    0.4507   0.5020
        age                     1  108.3559   0.0000
        C(sex, contr.sum):age   1    6.3027   0.0121
        >>> fit.anova(type=1, df="kenward-roger").round(2)
                               df  f_value  df_denom  p_value
        term
        C(sex, contr.sum)       1     9.29      25.0     0.01
        age                     1   122.45      79.0     0.00
        C(sex, contr.sum):age   1     6.30      79.0     0.01
        """
        results = self._results()
        fitted = self._fitted
        codings = self._codings()
        if terms is not None:
            codings = named_columns(terms, fitted.fixed_names)
        hypotheses = Hypotheses.of(codings, fitted.fixed_columns)
        return anova(results, hypotheses, type, fitted.reference(df))

    def information_criteria(self, n: Any = "observations") -> pd.Series:
        """AIC and BIC, the manual's ``estat ic``.

        Parameters
        ----------
        n : {"observations", "groups"}, str or float, default="observations"
            N of BIC: observations, groups of the top level, groups of a level of this
            name, or a number.

        Returns
        -------
        Series
            n, log_likelihood, n_params, aic = -2 L + 2 n_params,
            bic = -2 L + log(n) n_params.

        Raises
        ------
        ValueError
            If ``n`` is none of these.

        See Also
        --------
        compare_fits : The same for several fits.

        Notes
        -----
        Observations of one group are not independent: for the parameters of a level N is
        rather the number of its groups, for those within groups the number of
        observations.  Which N to use is an open question; the manual takes observations.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor("subject").fit(X, y)
        >>> float(model.information_criteria("subject")["bic"].round(2))
        1805.64
        """
        return information_criteria(self._results(), n)

    def conditional_aic(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, groups: Any = None
    ) -> pd.Series:
        """Conditional AIC, for predictions within the groups that are there.

        AIC asks how well the fixed part and the variances foretell other groups. Where
        the groups of the data are of interest themselves, and their predicted effects,
        the likelihood is that of the responses given these effects, and what they cost
        is their effective number.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Exactly what was passed to ``fit``; a fitted model keeps no rows.
        y : array-like of shape (n_samples,), default=None
            As passed to ``fit``; None takes that of a formula or a command.
        sample_weight, groups : default=None
            As passed to ``fit``.

        Returns
        -------
        Series
            log_likelihood (given the predicted effects), hat_trace (the trace of
            d y_hat / d y at given variances, Vaida and Blanchard's effective number),
            correction (what the estimation of the variances adds to it, Greven and
            Kneib), df = hat_trace + correction + 1 for the residual variance, and
            caic = -2 log_likelihood + 2 df.

        Raises
        ------
        ValueError
            If the data are not those of the fit, or the fit is exact.
        NotImplementedError
            With residual structures, sampling weights and weights of groups.

        See Also
        --------
        information_criteria : The marginal AIC and BIC.

        Notes
        -----
        hat_trace + correction is the trace of d y_hat / d y with the variances
        re-estimated, which is exact here: no refits, no simulation.  At a variance of
        zero that stays zero there is nothing to add.  Without the correction the larger
        of two models that differ in a variance is chosen whenever that variance is
        estimated positive (Greven and Kneib 2010).  Criteria of ML and of REML fits
        both predict responses, and fixed parts may differ; compare those of one method.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor("subject", method="reml").fit(X, y)
        >>> model.conditional_aic(X, y).round(2)
        log_likelihood   -864.53
        hat_trace          17.89
        correction          0.13
        df                 19.02
        caic             1767.10
        Name: value, dtype: float64
        """
        from ..diagnostics import conditional_aic

        self._results()
        self._check_offset("Conditional criteria")
        return conditional_aic(self, X, y, sample_weight, groups)
