# Writes fev_means.json: the marginal means of the FEV model by nlme and emmeans.
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

fitted <- function(correlations, variances, optimiser) {
  gls(
    fev1 ~ race + sex + arm * visit, d, method = "REML",
    correlation = corSymm(correlations, form = ~ time | subject),
    weights = varIdent(variances, form = ~ 1 | visit),
    control = glsControl(
      tolerance = 1e-12, msTol = 1e-14, maxIter = 2000, msMaxIter = 2000,
      opt = optimiser, optimMethod = "BFGS", msVerbose = FALSE
    )
  )
}
fit <- fitted(numeric(0), numeric(0), "nlminb")
for (optimiser in rep(c("optim", "nlminb"), 3)) {
  s <- fit$modelStruct
  again <- try(fitted(
    coef(s$corStruct, unconstrained = FALSE), coef(s$varStruct, unconstrained = FALSE),
    optimiser
  ), silent = TRUE)
  if (!inherits(again, "try-error") && logLik(again) > logLik(fit)) fit <- again
}
message(sprintf("-2 log L %.9f", -2 * as.numeric(logLik(fit))))
means <- as.data.frame(emmeans(fit, ~ visit * arm, mode = "asymptotic", data = d))

versions <- c(R = as.character(getRversion()), sapply(
  c("nlme", "emmeans"), function(p) as.character(packageVersion(p))
))
writeLines(
  toJSON(
    list(
      generator = "make_fev_means.R", versions = as.list(versions),
      deviance = -2 * as.numeric(logLik(fit)),
      visit = as.character(means$visit), arm = as.character(means$arm),
      estimate = means$emmean, std_error = means$SE
    ),
    digits = 12, auto_unbox = TRUE
  ),
  file.path(here, "fev_means.json")
)
