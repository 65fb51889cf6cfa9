"""Writes translations.json: log likelihoods that R finds with the translated code.

    python tests/reference/make_translations.py

Needs Rscript with lme4, nlme and jsonlite; the suite reads the JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from sklearn_xmixed import to_lme4, to_nlme  # noqa: E402
from tests.reference.translated import CASES  # noqa: E402

PRELUDE = """
suppressPackageStartupMessages({library(lme4); library(nlme); library(jsonlite)})
options(digits = 15, warn = -1)
lmer <- function(...) lme4::lmer(..., control = lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5)))
lme <- function(...) nlme::lme(..., control = lmeControl(
  maxIter = 500, msMaxIter = 500, niterEM = 50, msMaxEval = 2000, returnObject = TRUE))
found <- list()
"""
REML_OF_LM = "as.numeric(logLik(fit, REML = TRUE))"
RUN = """
data <- read.csv("{data}.csv", stringsAsFactors = FALSE)
found[["{key}"]] <- tryCatch({{
{code}
{value}
}}, error = function(e) conditionMessage(e))
"""
END = """
versions <- sapply(c("lme4", "nlme", "jsonlite"),
  function(p) as.character(packageVersion(p)), simplify = FALSE)
found$versions <- c(list(R = paste(R.version$major, R.version$minor, sep = ".")), versions)
writeLines(toJSON(found, digits = I(15), auto_unbox = TRUE), "found.json")
"""


def main() -> None:
    cases: list[dict] = []
    script = [PRELUDE]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case_id, case in CASES.items():
            if not case.available:
                print("no data:", case_id)
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model, frame = case.fitted()
            frame.to_csv(folder / f"{case_id}.csv", index=False)
            for translate in (to_lme4, to_nlme):
                found = translate(model)
                entry = {"id": case_id, "language": found.language, "code": found.code}
                cases.append(entry)
                if found.code is None:
                    continue
                key = f"{case_id} {found.language}"
                lm = "lm(" in found.code and model.method == "reml"
                value = REML_OF_LM if lm else "as.numeric(logLik(fit))"
                script.append(
                    RUN.format(data=case_id, key=key, code=found.code, value=value)
                )
        (folder / "run.R").write_text("\n".join([*script, END]), encoding="utf-8")
        subprocess.run(["Rscript", "--vanilla", "run.R"], cwd=folder, check=True)
        results = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    for entry in cases:
        if entry["code"] is not None:
            entry["log_likelihood"] = results[f"{entry['id']} {entry['language']}"]
    document = {
        "generator": "make_translations.py",
        "versions": results["versions"],
        "cases": cases,
    }
    text = json.dumps(document, indent=1) + "\n"
    (HERE / "translations.json").write_text(text, encoding="utf-8")
    print(len(cases), "translations")


if __name__ == "__main__":
    main()
