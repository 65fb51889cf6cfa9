"""Lines after a command: tests, tables and margins as a user of the command writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....inference import WaldFTest, WaldTest

if TYPE_CHECKING:
    from ....means import Contrasts
    from ....plotting import MarginalMeansDisplay

__all__ = ["CommandLines"]


class CommandLines:
    """What can be asked of a fitted command by a line.

    A line is read when it is asked for; until then nothing of its grammar is imported.
    """

    def test(self, line: str) -> WaldTest | WaldFTest:
        """A Wald test, as the line says.

        Parameters
        ----------
        line : str
            Such as ``"test x1 x2"``, ``"test x1 = x2, small"`` or
            ``"test (x1 = x2) (x3 = 1)"``.  ``small`` takes the degrees of freedom of the
            command's dfmethod().

        Returns
        -------
        WaldTest or WaldFTest
            The latter with ``small``.

        Raises
        ------
        CommandError
            If the line is not understood.

        See Also
        --------
        wald_test : The same with any method of degrees of freedom.

        Examples
        --------
        >>> from sklearn_xmixed import xtmixed
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> sleep = load_sleepstudy().frame
        >>> command = "mixed reaction days || subject: days, cov(un) reml"
        >>> fit = xtmixed(f"{command} dfmethod(kroger)", sleep, show=False)
        >>> print(fit.test("test days, small"))
         ( 1)  [reaction]days = 0
        <BLANKLINE>
               F(  1,   17.00) =    45.85
                      Prob > F =    0.0000
        """
        from ._after import test

        return test(self, line)

    def estat(self, line: str) -> Any:
        """Tables after the fit, as the line says.

        Parameters
        ----------
        line : str
            ``"estat df"``, ``"estat df, method(kroger)"``, ``"estat ic"``,
            ``"estat group"``, ``"estat icc"``, ``"estat recovariance"`` or
            ``"estat vce"``; the word ``estat`` may be left out.

        Returns
        -------
        Series or DataFrame
            Degrees of freedom by coefficient; else what the method returns that the
            line stands for.

        Raises
        ------
        CommandError
            If the line is not understood.

        Examples
        --------
        >>> from sklearn_xmixed import xtmixed
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> sleep = load_sleepstudy().frame
        >>> command = "reaction days || subject: days, cov(un) reml"
        >>> fit = xtmixed(command, sleep, show=False)
        >>> fit.estat("estat df, method(satterthwaite)").round(2).to_dict()
        {'days': 17.0, '_cons': 17.0}
        """
        from ._after import estat

        return estat(self, line)

    def margins(self, line: str = "margins") -> Any:
        """Predictive margins, as the line says.

        Parameters
        ----------
        line : str, default="margins"
            Such as ``"margins program, at(age=(20 30))"`` or ``"margins, dydx(age)"``;
            the word ``margins`` may be left out.  Options: dydx() of variables or ``*``,
            at(), also several of them, atmeans, over(), asbalanced, level().  Averages
            are over the observed rows.

        Returns
        -------
        MarginalMeans, Contrasts or MarginalEffects
            Contrasts with the base level for ``dydx()`` of a factor, MarginalEffects for
            several variables.  They print as in Stata 12, with z.

        Raises
        ------
        CommandError
            If the line is not understood; it points to the method that does more.

        Examples
        --------
        >>> from sklearn_xmixed import xtmixed
        >>> from sklearn_xmixed.datasets import load_orthodont
        >>> data = load_orthodont().frame
        >>> fit = xtmixed("distance i.sex##c.age || subject:", data, show=False)
        >>> fit.margins("margins sex, at(age=(8 14))").table["estimate"].round(2).tolist()
        [21.21, 22.62, 24.09, 27.32]
        """
        from ._margins import margins

        return margins(self, line)

    def contrast(self, line: str) -> Contrasts:
        """Contrasts of marginal means, as the line says.

        Parameters
        ----------
        line : str
            Such as ``"contrast r.group"`` or ``"contrast ar.time@group,
            mcompare(sidak)"``; operators r. (reference), a. (adjacent), ar. (reverse
            adjacent), g. (grand mean) and p. (polynomial); ``r.a#r.b`` for interactions.
            Options: mcompare() for all comparisons of the term, effects, cieffects,
            pveffects, nowald, noeffects, level(), and small, which takes the degrees of
            freedom of the command's dfmethod().

        Returns
        -------
        Contrasts
            ``joint_test()`` has the joint tests.

        Raises
        ------
        CommandError
            If the line is not understood.
        """
        from ._comparisons import contrast

        return contrast(self, line)

    def pwcompare(self, line: str) -> Any:
        """Pairwise comparisons of marginal means, as the line says.

        Parameters
        ----------
        line : str
            Such as ``"pwcompare group, mcompare(tukey)"``; a later level less an earlier
            one.  Options as of ``contrast``, and groups and cimargins.

        Returns
        -------
        Contrasts, MarginalMeans or DataFrame
            The means with the option cimargins; with groups a frame of the means and
            letters: means that share a letter do not differ.

        Raises
        ------
        CommandError
            If the line is not understood.
        """
        from ._comparisons import pwcompare

        return pwcompare(self, line)

    def marginsplot(
        self, line: str = "margins", ax: Any = None
    ) -> MarginalMeansDisplay:
        """Draw what ``margins`` computes.

        Parameters
        ----------
        line : str, default="margins"
            As of ``margins``.
        ax : Axes, default=None
            To draw into; None makes a new figure.

        Returns
        -------
        MarginalMeansDisplay
        """
        from ._margins import marginsplot

        return marginsplot(self, line, ax)
