# Writes postestimation.json: what test_postestimation.py compares with.
#
#   Rscript make_postestimation.R
#
# R^2 and shares of variance by performance and by their definition with lme4's Z and
# Lambda (performance takes one equation of "(days || subject)" alone and is left out
# there), covariance matrices of groups by nlme's
# getVarCov(), standard errors of the fixed part, Wald tests and delta-method standard
# errors by car.  Data are those of the package.

suppressPackageStartupMessages({
  library(lme4)
  library(nlme)
  library(performance)
  library(car)
  library(jsonlite)
})
options(digits = 15, warn = 1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
bundled <- file.path(here, "..", "..", "sklearn_xmixed", "datasets", "data")
read <- function(name) {
  frame <- read.csv(file.path(bundled, paste0(name, ".csv")))
  if (name == "orthodont") frame$t <- (frame$age - 8) / 2 + 1
  if (name == "productivity") {
    frame$region <- factor(frame$region)
    frame$state <- factor(frame$state)
  }
  frame
}
control <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e5),
  check.conv.singular = "ignore", calc.derivs = FALSE
)

# ---------------------------------------------------------- R^2, ICC, standard errors

linear <- function(id, data, formula, reml = FALSE) {
  frame <- read(data)
  fit <- lmer(as.formula(formula), frame, REML = reml, control = control)
  r2 <- r2_nakagawa(fit, tolerance = 0)
  X <- model.matrix(fit)
  shares <- tryCatch(
    as.list(setNames(icc(fit, by_group = TRUE)$ICC, icc(fit, by_group = TRUE)$Group)),
    error = function(e) NULL, warning = function(w) NULL
  )
  root <- as.matrix(getME(fit, "Z") %*% getME(fit, "Lambda")) * sigma(fit)
  parts <- c(
    fixed = var(as.numeric(X %*% fixef(fit))), random = mean(rowSums(root^2)),
    residual = sigma(fit)^2
  )
  usable <- !grepl("||", formula, fixed = TRUE)
  list(
    id = id, data = data, formula = formula, reml = reml,
    log_likelihood = as.numeric(logLik(fit)),
    marginal = if (usable) as.numeric(r2$R2_marginal) else NULL,
    conditional = if (usable) as.numeric(r2$R2_conditional) else NULL,
    variances = as.list(parts),
    shares = shares, # of each grouping alone
    stdp = unname(sqrt(rowSums((X %*% as.matrix(vcov(fit))) * X)))[1:20],
    xb = unname(as.numeric(X %*% fixef(fit)))[1:20],
    residuals = unname(residuals(fit))[1:20]
  )
}
fits <- list(
  linear("intercepts", "sleepstudy", "reaction ~ days + (1 | subject)"),
  linear("slopes", "sleepstudy", "reaction ~ days + (days | subject)"),
  linear("slopes reml", "sleepstudy", "reaction ~ days + (days | subject)", TRUE),
  linear("independent", "sleepstudy", "reaction ~ days + (days || subject)"),
  linear(
    "nested", "productivity",
    "gsp ~ private + emp + hwy + water + other + unemp + (1 | region/state)"
  ),
  linear("crossed", "penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", TRUE)
)

# --------------------------------------------------------------- Wald tests and lincom

frame <- read("productivity")
fit <- lmer(
  gsp ~ private + emp + hwy + water + other + unemp + (1 | region/state), frame,
  REML = FALSE, control = control
)
hypothesis <- function(words) {
  test <- linearHypothesis(fit, words, test = "Chisq")
  list(words = words, chi2 = test$Chisq[2], df = test$Df[2], p = test$`Pr(>Chisq)`[2])
}
combination <- function(words) {
  found <- deltaMethod(fixef(fit), words, vcov. = as.matrix(vcov(fit)))
  list(words = words, estimate = found$Estimate, std_error = found$SE)
}
names_r <- names(fixef(fit))
tests <- list(
  hypothesis("hwy = water"),
  hypothesis(c("private + emp + hwy + water + other = 1", "unemp = 0")),
  hypothesis(c("hwy = 0.05", "2*water - other = 0.25", "private = 0.3"))
)
combinations <- list(
  combination("private + emp"),
  combination("hwy / water"),
  combination("exp(private) * emp^2 - log(water)"),
  combination("sqrt(emp) / (1 + hwy)")
)

# --------------------------------------------------- covariance matrices of the groups

covariances <- function(id, data, fit, group) {
  both <- lapply(c("conditional", "marginal"), function(type) {
    unname(as.matrix(getVarCov(fit, individuals = group, type = type)[[1]]))
  })
  list(
    id = id, data = data, group = group, log_likelihood = as.numeric(logLik(fit)),
    residual = both[[1]], total = both[[2]]
  )
}
lme_fit <- function(...) {
  lme(..., method = "ML", control = lmeControl(
    maxIter = 500, msMaxIter = 2000, niterEM = 100, tolerance = 1e-12, msTol = 1e-14,
    returnObject = TRUE
  ))
}
sleep <- read("sleepstudy")
ortho <- read("orthodont")
groups <- list(
  covariances(
    "slopes", "sleepstudy", lme_fit(reaction ~ days, sleep, ~ days | subject), "309"
  ),
  covariances(
    "ar", "sleepstudy",
    lme_fit(reaction ~ days, sleep, ~ 1 | subject, correlation = corAR1(form = ~ days | subject)),
    "309"
  ),
  covariances(
    "exponential", "sleepstudy",
    lme_fit(
      reaction ~ days, sleep, ~ 1 | subject,
      correlation = corCAR1(form = ~ days | subject)
    ),
    "309"
  ),
  covariances(
    "by", "orthodont",
    lme_fit(distance ~ age, ortho, ~ 1 | subject, weights = varIdent(form = ~ 1 | sex)),
    "F01"
  ),
  covariances(
    "by, other", "orthodont",
    lme_fit(distance ~ age, ortho, ~ 1 | subject, weights = varIdent(form = ~ 1 | sex)),
    "M01"
  ),
  covariances(
    "ma", "orthodont",
    lme_fit(
      distance ~ age, ortho, ~ 1 | subject,
      correlation = corARMA(q = 1, form = ~ t | subject)
    ),
    "M02"
  )
)

packages <- c("lme4", "nlme", "performance", "insight", "car", "jsonlite")
write_json(
  list(
    generator = "make_postestimation.R", r_version = paste(R.version$major, R.version$minor, sep = "."),
    packages = sapply(packages, function(p) as.character(packageVersion(p)), simplify = FALSE),
    fits = fits, tests = tests, combinations = combinations, groups = groups
  ),
  file.path(here, "postestimation.json"), auto_unbox = TRUE, digits = NA, null = "null"
)
