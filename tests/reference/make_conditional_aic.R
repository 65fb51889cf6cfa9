# Writes conditional_aic.json: what tests/test_conditional_aic.py compares with.
#
#   Rscript make_conditional_aic.R
#
# cAIC of cAIC4 (analytic, without stepping over to reduced models: no fit is singular),
# and the trace of lme4's hat matrix. Data are those of the package.

suppressPackageStartupMessages({
  library(lme4)
  library(cAIC4)
  library(jsonlite)
})
options(digits = 15, warn = 1)
here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
bundled <- file.path(here, "..", "..", "sklearn_xmixed", "datasets", "data")
read <- function(name) read.csv(file.path(bundled, paste0(name, ".csv")))
control <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e5),
  check.conv.singular = "ignore", calc.derivs = FALSE
)

sleep <- read("sleepstudy")
pastes <- read("pastes")
penicillin <- read("penicillin")
cases <- list(
  list(id = "intercepts", formula = reaction ~ days + (1 | subject), data = "sleepstudy"),
  list(id = "slopes", formula = reaction ~ days + (days | subject), data = "sleepstudy"),
  list(
    id = "independent", formula = reaction ~ days + (days || subject),
    data = "sleepstudy"
  ),
  list(id = "nested", formula = strength ~ 1 + (1 | batch / cask), data = "pastes"),
  list(
    id = "crossed", formula = diameter ~ 1 + (1 | plate) + (1 | sample),
    data = "penicillin"
  )
)
fits <- list()
for (case in cases) {
  for (reml in c(FALSE, TRUE)) {
    fit <- lmer(case$formula, read(case$data), REML = reml, control = control)
    stopifnot(!isSingular(fit))
    found <- cAIC(fit, analytic = TRUE)
    fits[[length(fits) + 1]] <- list(
      id = case$id, method = if (reml) "reml" else "ml", data = case$data,
      log_likelihood = as.numeric(found$loglikelihood), df = found$df,
      caic = found$caic, hat_trace = sum(hatvalues(fit))
    )
  }
}
versions <- list(
  R = paste(R.version$major, R.version$minor, sep = "."),
  lme4 = as.character(packageVersion("lme4")),
  cAIC4 = as.character(packageVersion("cAIC4"))
)
write_json(
  list(versions = versions, fits = fits), file.path(here, "conditional_aic.json"),
  auto_unbox = TRUE, digits = NA, pretty = TRUE
)
