# Writes formula.json: fits of lme4 with random slopes on groupings that cross.
#
#   Rscript make_formula.R
#
# Only this script needs R; the suite reads the JSON.

suppressPackageStartupMessages({
  library(lme4)
  library(jsonlite)
})
options(digits = 15, warn = 1)
set.seed(1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
d <- expand.grid(s = 1:14, i = 1:10)
d$x <- round(rnorm(140), 3)
d$f <- c("a", "b", "c")[1 + (d$s + d$i) %% 3]
u <- matrix(rnorm(28), 14)
v <- matrix(rnorm(20), 10)
d$y <- round(
  1 + d$x + u[d$s, 1] + 0.7 * u[d$s, 2] * d$x + 0.8 * v[d$i, 1] +
    0.5 * v[d$i, 2] * d$x + rnorm(140), 3
)
tight <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5),
  check.conv.singular = "ignore", check.conv.grad = "ignore"
)
formulas <- c(
  "y ~ x + (x | s) + (x | i)",
  "y ~ x + (x || s) + (0 + x | i) + (1 | i)",
  "y ~ x + (x | s) + (1 | i)",
  "y ~ x*f + (1 | s) + (1 | i) + (1 | s:f)",
  "y ~ 0 + f + (x | s)",
  "y ~ f + (f | s)",
  "y ~ x + (0 + f | i)"
)
fits <- lapply(formulas, function(f) {
  lapply(c(ml = FALSE, reml = TRUE), function(reml) {
    as.numeric(logLik(lmer(as.formula(f), d, REML = reml, control = tight)))
  })
})
document <- list(
  generator = "make_formula.R",
  r_version = paste(R.version$major, R.version$minor, sep = "."),
  packages = list(lme4 = as.character(packageVersion("lme4"))),
  data = as.list(d),
  formulas = formulas,
  log_likelihood = fits
)
writeLines(
  toJSON(document, digits = I(15), auto_unbox = TRUE), file.path(here, "formula.json")
)
