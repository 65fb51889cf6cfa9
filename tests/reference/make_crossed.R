# Writes crossed.json: crossed factors with random slopes, and InstEval, by lme4.
#
#   Rscript make_crossed.R
#
# lme4's own deviance is minimised until its gradient vanishes.  The simulated data are
# written too, so that the suite needs no R; InstEval comes with lme4.

suppressPackageStartupMessages({
  library(lme4)
  library(jsonlite)
})
options(digits = 15, warn = 1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
source(file.path(here, "r", "optimum.R"))

# 40 students, 15 teachers in 5 schools, both with slopes.
simulated <- function() {
  set.seed(20)
  n <- 600
  frame <- data.frame(
    s = sample(40, n, TRUE), d = sample(15, n, TRUE), c = sample(3, n, TRUE),
    x = round(rnorm(n), 3), z = round(rnorm(n), 3)
  )
  frame$k <- (frame$d - 1) %/% 3 + 1
  a <- matrix(rnorm(80), 40) %*% chol(matrix(c(1, 0.4, 0.4, 0.6), 2))
  b <- matrix(rnorm(30), 15) %*% chol(matrix(c(0.5, -0.2, -0.2, 0.3), 2))
  w <- matrix(rnorm(15), 5)
  frame$y <- round(with(frame, 1 + 0.5 * x - 0.2 * z + a[s, 1] + a[s, 2] * x +
    b[d, 1] + b[d, 2] * z + 0.5 * w[cbind(k, c)] + rnorm(n)), 4)
  frame
}

solution <- function(formula, frame, reml, starts = NULL) {
  parsed <- lFormula(formula, frame, REML = reml, control = lmerControl(
    check.nobs.vs.nlev = "ignore", check.conv.singular = "ignore"
  ))
  deviance <- do.call(mkLmerDevfun, parsed)
  terms <- parsed$reTrms
  found <- minimum(deviance, c(list(terms$theta), starts), terms$lower)
  fit <- mkMerMod(environment(deviance), list(
    par = found$par, fval = found$value, conv = 0, message = ""
  ), terms, parsed$fr)
  blups <- ranef(fit, condVar = TRUE)
  groups <- VarCorr(fit)
  message(sprintf("%s: slope left %.1e", deparse1(formula), found$gradient))
  list(
    formula = deparse1(formula), reml = reml, log_likelihood = as.numeric(logLik(fit)),
    gradient = found$gradient, sigma2 = sigma(fit)^2,
    beta = as.numeric(fixef(fit)), se = sqrt(diag(as.matrix(vcov(fit)))),
    covariances = lapply(groups, function(g) unname(matrix(as.numeric(g), nrow(g)))),
    blups = lapply(blups, function(b) unname(as.matrix(b[seq_len(min(5, nrow(b))), , drop = FALSE])))
  )
}

frame <- simulated()
formulas <- list(
  y ~ x + z + (1 + x | s) + (1 + z | d),
  y ~ x + z + (1 + x | s) + (0 + z | d) + (1 | d),
  y ~ x + z + (1 | s) + (1 | d) + (1 | k:c)
)
cases <- list()
for (formula in formulas) {
  for (reml in c(FALSE, TRUE)) {
    cases[[length(cases) + 1]] <- solution(formula, frame, reml)
  }
}
insteval <- list()
if (!"--quick" %in% commandArgs(TRUE)) {
  for (reml in c(FALSE, TRUE)) {
    insteval[[length(insteval) + 1]] <- solution(
      y ~ service + (1 | s) + (1 | d) + (1 | dept:service), InstEval, reml
    )
  }
  for (k in seq_along(insteval)) insteval[[k]]$blups <- NULL
}
versions <- function(...) {
  sapply(c(...), function(p) as.character(packageVersion(p)), simplify = FALSE)
}
document <- list(
  generator = "make_crossed.R",
  r_version = paste(R.version$major, R.version$minor, sep = "."),
  packages = versions("lme4", "Matrix", "minqa", "jsonlite"),
  data = as.list(frame), cases = cases, insteval = insteval
)
writeLines(
  toJSON(document, digits = I(15), auto_unbox = TRUE, null = "null", na = "null"),
  file.path(here, "crossed.json")
)
