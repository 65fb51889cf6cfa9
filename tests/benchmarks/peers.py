"""Adapters for other programs; one that is missing is skipped with its reason.

Every peer gets its quickest documented way in: arrays where it takes arrays, and
grouping columns already made factors in R.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cases import Case
from contestant import Contestant, Outcome


class Lstsq(Contestant):
    """Not a mixed model: the least any program must do with the same X."""

    name = "lstsq"

    def version(self) -> str:
        return np.__version__

    def prepare(self, case: Case, method: str) -> Callable[[], Any]:
        X, y = case.design, case.y.to_numpy()
        return lambda: np.linalg.lstsq(X, y, rcond=None)

    def read(self, fitted: Any) -> tuple[None, str]:
        return None, ""


class MixedLM(Contestant):
    name = "mixedlm"

    def version(self) -> str:
        return _installed("mixedlm")

    def prepare(self, case: Case, method: str) -> Callable[[], Any]:
        from mixedlm import lmer

        formula, frame, reml = case.formula(), case.frame, method == "reml"
        return lambda: lmer(formula, frame, REML=reml)

    def read(self, fitted: Any) -> tuple[float, str]:
        note = f"{fitted.function_evals} evaluations"
        if not fitted.converged:
            note += ", did not converge"
        return float(fitted.logLik().value), note


class MixedLMRs(Contestant):
    name = "mixedlm-rs"

    def version(self) -> str:
        return _installed("mixedlm-rs")

    def refuses(self, case: Case, method: str) -> str | None:
        if len(case.levels) > 1:
            return "fits one grouping factor only"
        return None

    def prepare(self, case: Case, method: str) -> Callable[[], Any]:
        from mixedlm_rs import MixedLM as Model

        ((group, slopes),) = case.levels
        X, y, labels = case.design, case.y.to_numpy(), case.frame[group].to_numpy()
        Z = X[:, [0, *(case.fixed.index(s) + 1 for s in slopes)]]
        reml = method == "reml"
        return lambda: Model(y, X, groups=labels, exog_re=Z).fit(reml=reml)

    def read(self, fitted: Any) -> tuple[float, str]:
        note = f"{fitted.diagnostics['n_objective_evaluations']} evaluations"
        if not fitted.converged:
            note += ", did not converge"
        return float(fitted.llf), note


class Glmm(Contestant):
    """Standard errors of the coefficients are part of its fit."""

    name = "glmm"

    def version(self) -> str:
        return _installed("glmm")

    def prepare(self, case: Case, method: str) -> Callable[[], Any]:
        import glmm

        formula, frame, reml = case.formula(), case.frame, method == "reml"
        return lambda: glmm.fit(frame, formula, reml=reml)

    def read(self, fitted: Any) -> tuple[float, str]:
        note = f"{fitted.n_eval} evaluations"
        if not fitted.converged:
            note += ", did not converge"
        return float(fitted.loglik), note


class LmePython(Contestant):
    """Takes polars; standard errors of the coefficients are part of its fit."""

    name = "lme-python"

    def version(self) -> str:
        return _installed("lme-python")

    def prepare(self, case: Case, method: str) -> Callable[[], Any]:
        import polars as pl
        from lme_python import lmer

        columns = {name: case.frame[name].to_numpy() for name in case.frame}
        texts = [pl.col(group).cast(pl.String) for group, _ in case.levels]
        frame = pl.DataFrame(columns).with_columns(texts)
        formula, reml = case.formula(), method == "reml"
        return lambda: lmer(formula, data=frame, reml=reml)

    def read(self, fitted: Any) -> tuple[float, str]:
        note = f"{fitted.iterations} iterations"
        if not fitted.converged:
            note += ", did not converge"
        return float(fitted.log_likelihood), note


class GPBoost(Contestant):
    """Standard errors are not computed unless asked for later, so they are not here."""

    name = "GPBoost"

    def version(self) -> str:
        return _installed("gpboost")

    def refuses(self, case: Case, method: str) -> str | None:
        if any(slopes for _, slopes in case.levels):
            return "not set up for random slopes here"
        return None if method == "ml" else "maximises the likelihood only"

    def prepare(self, case: Case, method: str) -> Callable[[], Any]:
        import gpboost

        groups = case.frame[[group for group, _ in case.levels]].to_numpy()
        X, y = case.design, case.y.to_numpy(float)

        def fit() -> Any:
            model = gpboost.GPModel(group_data=groups, likelihood="gaussian")
            return model.fit(y=y, X=X)

        return fit

    def read(self, fitted: Any) -> tuple[float, str]:
        return -float(fitted.get_current_neg_log_likelihood()), ""


class Lme4(Contestant):
    """Runs in R: the data go over as raw doubles, R times ``lmer()`` alone."""

    name = "lme4"

    def __init__(self) -> None:
        self._versions: dict[str, str] | None = None

    def version(self) -> str:
        if self._versions is None:
            if shutil.which("Rscript") is None:
                raise ImportError("Rscript is not on the path")
            self._versions = _rscript("--versions")
        if "lme4" not in self._versions:
            raise ImportError("the R package lme4 is not installed")
        found = self._versions
        return f"{found['lme4']} in R {found['R']} ({found['BLAS']})"

    def race(self, case: Case, method: str, reps: int, budget: float) -> list[Outcome]:
        """Two outcomes: ``lmer()`` as it comes, and without its final check."""
        with tempfile.TemporaryDirectory() as folder:
            groups = [group for group, _ in case.levels]
            codes = {group: pd.factorize(case.frame[group])[0] for group in groups}
            _write_columns(case.frame.assign(**codes), Path(folder))
            task = {
                "formula": case.formula(),
                "groups": groups,
                "reml": method == "reml",
                "reps": reps,
                "budget": budget,
            }
            Path(folder, "task.json").write_text(json.dumps(task))
            answers = _rscript(folder)
        return [Outcome(f"lme4{suffix}", **answers[key]) for key, suffix in VARIANTS]


VARIANTS = (("default", ""), ("no_derivs", " (calc.derivs = FALSE)"))


def _write_columns(frame: pd.DataFrame, folder: Path) -> None:
    names = list(frame.columns)
    for k, name in enumerate(names):
        frame[name].to_numpy("<f8").tofile(folder / f"{k}.bin")
    header = {"names": names, "rows": len(frame)}
    (folder / "columns.json").write_text(json.dumps(header))


def _rscript(argument: str) -> dict[str, Any]:
    script = Path(__file__).with_name("lmer.R")
    command = ["Rscript", "--vanilla", str(script), argument]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImportError(f"R failed: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError as error:
        raise ImportError(f"{distribution} is not installed") from error


PEERS: tuple[Contestant, ...] = (
    Lstsq(),
    MixedLM(),
    MixedLMRs(),
    Glmm(),
    LmePython(),
    GPBoost(),
    Lme4(),
)
