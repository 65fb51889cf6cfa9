# Writes fev_means.json: the marginal means of two FEV models by nlme and emmeans, with an
# unstructured covariance, and with AR(1) and a variance of its own for every visit.
#
#   Rscript make_fev_means.R
#
# The data are those of fev_lsmeans.json.  SAS stopped its search 6e-6 above the optimum
# of -2 log L; gls is started again where it ended, to come closer.

suppressPackageStartupMessages({
  library(nlme)
  library(emmeans)
  library(jsonlite)
})

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
d <- as.data.frame(fromJSON(file.path(here, "fev_lsmeans.json"))$data)
d <- d[order(d$subject, d$visit), ]
for (v in c("visit", "arm", "race", "sex")) d[[v]] <- factor(d[[v]])
d$time <- as.integer(d$visit)

fitted <- function(correlation, variances, optimiser) {
  gls(
    fev1 ~ race + sex + arm * visit, d, method = "REML", correlation = correlation,
    weights = varIdent(variances, form = ~ 1 | visit),
    control = glsControl(
      tolerance = 1e-12, msTol = 1e-14, maxIter = 2000, msMaxIter = 2000,
      opt = optimiser, optimMethod = "BFGS", msVerbose = FALSE
    )
  )
}
answered <- function(structure) {
  fit <- fitted(structure(), numeric(0), "nlminb")
  for (optimiser in rep(c("optim", "nlminb"), 3)) {
    s <- fit$modelStruct
    again <- try(fitted(
      structure(coef(s$corStruct, unconstrained = FALSE)),
      coef(s$varStruct, unconstrained = FALSE), optimiser
    ), silent = TRUE)
    if (!inherits(again, "try-error") && logLik(again) > logLik(fit)) fit <- again
  }
  deviance <- -2 * as.numeric(logLik(fit))
  message(sprintf("-2 log L %.9f", deviance))
  means <- as.data.frame(emmeans(fit, ~ visit * arm, mode = "asymptotic", data = d))
  list(
    deviance = deviance, visit = as.character(means$visit), arm = as.character(means$arm),
    estimate = means$emmean, std_error = means$SE
  )
}
unstructured <- function(value = numeric(0)) corSymm(value, form = ~ time | subject)
ar1 <- function(value = 0.3) corAR1(value, form = ~ time | subject)

versions <- c(R = as.character(getRversion()), sapply(
  c("nlme", "emmeans"), function(p) as.character(packageVersion(p))
))
writeLines(
  toJSON(
    list(
      generator = "make_fev_means.R", versions = as.list(versions),
      unstructured = answered(unstructured), ar = answered(ar1)
    ),
    digits = 12, auto_unbox = TRUE
  ),
  file.path(here, "fev_means.json")
)
