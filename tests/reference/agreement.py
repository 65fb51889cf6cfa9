"""How far our numbers are from the references': the tables of docs/checks.md.

    python -m tests.reference.agreement

prints, over all cases of a reference, the largest difference of each quantity, and how
many of the manual's printed numbers are reproduced to the last digit. The tests assert
bounds on the same differences.
"""

from __future__ import annotations

import warnings

import numpy as np

from tests import test_manual_examples as manual
from tests.reference import test_glmmtmb as glmmtmb
from tests.reference import test_nlme as nlme
from tests.reference.conftest import REFERENCES


def relative(ours, theirs, floor=0.0):
    """Largest difference over the largest element."""
    theirs = np.asarray(theirs, dtype=float)
    scale = max(np.abs(theirs).max(initial=0), floor)
    return np.abs(np.asarray(ours) - theirs).max(initial=0) / scale if scale else 0.0


def lme4():
    """Log likelihood, coefficients, standard errors, variances and effects."""
    found = []
    for reference in REFERENCES.values():
        if not reference.has_rows or reference.residuals:
            continue
        model = reference.fitted()
        p = len(reference.coef)
        se = np.sqrt(np.diag(reference.vcov))
        ours = np.array([*model.coef_, model.intercept_])[:p]
        b = np.array([*reference.coef.values()])
        tables = [e for e in reference.equations if e["terms"]]
        sigmas = [
            relative(
                model.covariances_[e["name"]].loc[e["terms"], e["terms"]],
                e["cov"],
                1e-6 * reference.sigma**2,
            )
            for e in tables
        ]
        blups = []
        for e in tables:
            table = model.random_effects_[e["name"]]
            rows = reference.sorted_groups(e, table)
            ours_blup = table[e["terms"]].iloc[rows]
            blups.append(relative(ours_blup, e["blup"], 1e-3 * reference.sigma))
        V = model.vcov().to_numpy()[:p, :p]
        found.append(
            (
                abs(model.log_likelihood_ / reference.log_likelihood - 1),
                np.abs((ours - b) / se).max(),
                np.abs(np.sqrt(np.diag(V)) / se - 1).max(),
                max(sigmas, default=0.0),
                max(blups, default=0.0),
            )
        )
    return found


def structured(module):
    """The same of a program with residual structures."""
    found = []
    for name, theirs in module.CASES.items():
        model = module.fitted(name)
        table = model.coef_table()
        se = np.array(theirs["se"])
        ours = model.results_.variance_frame("sd")["estimate"].loc["Residual"]
        parameters = [abs(ours[k] / v - 1) for k, v in theirs["residual"].items() if v]
        found.append(
            (
                abs(model.log_likelihood_ / theirs["log_likelihood"] - 1),
                np.abs((table["estimate"] - theirs["coef"]) / se).max(),
                np.abs(table["std_error"] / se - 1).max(),
                max(parameters),
                np.nan,
            )
        )
    return found


def printed_by_the_manual():
    """Numbers of examples 1 to 7: printed, the same, and the largest difference.

    Without the variances of example 5, in one of which the likelihood is flat.
    """
    pairs = []
    for name, rows in manual.COEFFICIENTS.items():
        for line in rows.strip().splitlines():
            term, *numbers = line.split()
            ours = manual.fitted(name).coef_table().loc[term]
            columns = "estimate std_error z p_value ci_lower ci_upper".split()
            pairs += [
                (ours[c], text, 1.0 if c in "z p_value" else ours["std_error"])
                for c, text in zip(columns, numbers, strict=True)
            ]
    for name, rows in manual.VARIANCES.items():
        if name == "5":
            continue
        for line in rows.strip().splitlines():
            level, term, *numbers = line.split()
            frame = manual.fitted(name).results_.variance_frame(
                "variance" if term.startswith(("var", "cov")) else "sd"
            )
            ours = frame.loc[(level, term.replace("_unemp", " unemp"))]
            columns = ["estimate", "std_error", "ci_lower", "ci_upper"]
            # the ends of an interval move in proportion
            scale = ours["std_error"] / ours["estimate"]
            pairs += [
                (ours[c], text, abs(scale) * max(abs(ours["estimate"]), abs(ours[c])))
                for c, text in zip(columns, numbers, strict=True)
            ]
    off = [abs(a - float(t)) - 0.5 * manual.place_of(t) for a, t, _ in pairs]
    same = sum(d <= 1e-12 * abs(a) for d, (a, _, _) in zip(off, pairs, strict=True))
    worst = max(d / s for d, (_, _, s) in zip(off, pairs, strict=True))
    return len(pairs), same, worst


def main() -> None:
    """Print the tables."""
    warnings.simplefilter("ignore")
    print(
        "| reference | cases | log likelihood | coefficients / s.e. | s.e. | "
        "variance parameters | effects |"
    )
    found = {
        "lme4": lme4(),
        "nlme": structured(nlme),
        "glmmTMB": structured(glmmtmb),
    }
    for name, rows in found.items():
        worst = " | ".join(f"{x:.0e}" for x in np.max(rows, axis=0))
        print(f"| {name} | {len(rows)} | {worst} |")
    n, same, worst = printed_by_the_manual()
    print(f"manual: {n} numbers, {same} the same, others off by up to {worst:.1e} se")


if __name__ == "__main__":
    main()
