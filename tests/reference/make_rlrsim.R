# Writes rlrsim.json: what tests/test_null_distributions.py compares with.
#
#   Rscript make_rlrsim.R
#
# exactLRT and exactRLRT of RLRsim with lme4's fits: statistics, and p-values from

suppressPackageStartupMessages({
  library(lme4)
  library(RLRsim)
  library(jsonlite)
})
options(digits = 15, warn = 1)
here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
control <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e5),
  check.conv.singular = "ignore"
)
N <- 1e5

set.seed(3)
made <- function(n_groups, sizes, sd, slope = 0) {
  g <- rep(seq_len(n_groups), sample(sizes, n_groups, replace = TRUE))
  n <- length(g)
  x <- round(rnorm(n), 3)
  u <- rnorm(n_groups)
  v <- rnorm(n_groups)
  data.frame(
    g = g, x = x, y = round(1 + 0.3 * x + sd * u[g] + slope * v[g] * x + rnorm(n), 4)
  )
}
test <- function(found) {
  list(statistic = unname(found$statistic), p_value = unname(found$p.value))
}
cases <- list(
  small = made(6, 3:5, 0.7, 0.5), middle = made(12, 3:8, 0.4, 0.4),
  large = made(40, 2:6, 0.3, 0.3)
)
out <- lapply(cases, function(frame) {
  fit <- function(formula, reml) lmer(formula, frame, REML = reml, control = control)
  ml <- fit(y ~ x + (1 | g), FALSE)
  reml <- fit(y ~ x + (1 | g), TRUE)
  slope <- fit(y ~ x + (0 + x | g), TRUE)
  both <- fit(y ~ x + (1 | g) + (0 + x | g), TRUE)
  list(
    data = frame,
    lrt = test(exactLRT(ml, lm(y ~ x, frame), seed = 1, nsim = N)),
    lrt_with_slope = test(exactLRT(ml, lm(y ~ 1, frame), seed = 1, nsim = N)),
    rlrt = test(exactRLRT(reml, seed = 1, nsim = N)),
    rlrt_slope = test(exactRLRT(slope, seed = 1, nsim = N)),
    # the variance of slopes beside that of intercepts, where none is zero
    rlrt_besides = if (!isSingular(both) && !isSingular(slope)) {
      test(exactRLRT(slope, both, reml, seed = 1, nsim = N))
    }
  )
})

versions <- list(
  R = paste(R.version$major, R.version$minor, sep = "."),
  lme4 = as.character(packageVersion("lme4")),
  RLRsim = as.character(packageVersion("RLRsim"))
)
write_json(
  list(versions = versions, n_draws = N, cases = out),
  file.path(here, "rlrsim.json"), auto_unbox = TRUE, digits = 12
)
