# Writes glmmtmb.json, fits with Toeplitz residuals that test_glmmtmb.py compares with.
#
#   Rscript make_glmmtmb.R
#
# glmmTMB has the structure as covariance of random effects, one effect per time:
#
#   y ~ x + toep(factor(t) + 0 | g), dispformula = ~0
#
# theta of that term holds T log standard deviations and, for lags 1 .. T - 1,
# rho / sqrt(1 - rho^2).  The manual's structure has one variance, so `map` ties the
# standard deviations; order q fixes theta of later lags at 0.
#
# dispformula = ~0 leaves a residual variance v of 1.5e-8.  It only adds v to the diagonal
# of a Toeplitz matrix: with s the standard deviation and r the correlations of the
# effects, the whole has variance s^2 + v and correlations r s^2 / (s^2 + v).  So any v
# below the smallest eigenvalue of the whole gives the same maximum, and a larger one gives
# more digits: with 1.5e-8 the likelihood has rounding errors of 1e-6.  Each case is fitted
# twice, with ~0 as a user would (`log_likelihood_zero`), and with v fixed at 1/100 of the
# variance of a linear regression.  The latter is taken to a zero gradient by Newton steps,
# since nlminb stops earlier; its parameters of the whole are stored.

suppressPackageStartupMessages({
  library(glmmTMB)
  library(jsonlite)
})
options(digits = 15, warn = 1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
bundled <- file.path(here, "..", "..", "sklearn_xmixed", "datasets", "data")

# Errors with the given correlations at lags 0, 1, ..., one row per group.
errors <- function(groups, correlations) {
  n <- length(correlations)
  matrix(rnorm(groups * n), groups) %*% chol(toeplitz(correlations))
}

# A balanced panel: 40 subjects at times 0 .. 4.
panel <- function() {
  set.seed(1)
  e <- errors(40, c(1, 0.6, 0.45, 0.2, 0.25))
  frame <- expand.grid(t = 0:4, g = 1:40)
  frame$x <- round(rnorm(200), 3)
  frame$y <- round(1 + 0.5 * frame$x + 0.3 * frame$t + 2 * c(t(e)), 4)
  frame
}

# Three levels: 72 subjects in 18 sites, times 0 .. 4, a quarter of the rows missing.
sites <- function() {
  set.seed(2)
  e <- errors(72, c(1, 0.5, 0.3, 0.1, 0))
  u <- rnorm(18)
  frame <- expand.grid(t = 0:4, g = 1:72)
  frame$h <- (frame$g - 1) %/% 4 + 1
  frame$x <- round(rnorm(360), 3)
  frame$y <- round(2 - frame$x + u[frame$h] + 1.5 * c(t(e)), 4)
  frame[sort(sample(360, 270)), ]
}

orthodont <- read.csv(file.path(bundled, "orthodont.csv"))
orthodont$t <- (orthodont$age - 8) / 2 + 1
orthodont$male <- as.numeric(orthodont$sex == "Male")
orthodont$g <- orthodont$subject
frames <- list(orthodont = orthodont, panel = panel(), sites = sites())

case <- function(data, fixed, response, method, order = NULL, above = NULL) {
  id <- paste(c(data, order, tolower(method)), collapse = "-")
  list(
    id = id, data = data, fixed = fixed, response = response, method = method,
    order = order, above = above
  )
}
both <- function(...) lapply(c("ML", "REML"), function(method) case(..., method = method))
cases <- c(
  both("orthodont", c("age", "male"), "distance"),
  both("orthodont", c("age", "male"), "distance", order = 2),
  both("panel", c("x", "t"), "y"),
  both("panel", c("x", "t"), "y", order = 1),
  both("sites", "x", "y", order = 2, above = "h"),
  both("sites", "x", "y", above = "h")
)

# Derivatives of the gradient, of fourth order.
hessian <- function(obj, par, step = 1e-3) {
  H <- sapply(seq_along(par), function(k) {
    at <- function(m) as.numeric(obj$gr(par + m * step * (seq_along(par) == k)))
    (at(-2) - 8 * at(-1) + 8 * at(1) - at(2)) / (12 * step)
  })
  (H + t(H)) / 2
}

polished <- function(obj, par) {
  for (step in 1:8) par <- par - solve(hessian(obj, par), as.numeric(obj$gr(par)))
  par
}

fit_case <- function(case) {
  frame <- frames[[case$data]]
  # glmmTMB counts levels of the factor: every time has to occur
  stopifnot(diff(sort(unique(frame$t))) == 1)
  frame$time <- factor(frame$t)
  n <- nlevels(frame$time)
  lags <- seq_len(if (is.null(case$order)) n - 1 else case$order)
  bars <- c(if (!is.null(case$above)) paste0("(1 | ", case$above, ")"), "toep(time + 0 | g)")
  formula <- reformulate(c(case$fixed, bars), case$response)
  above <- length(case$above)
  free <- c(
    seq_len(above), rep(above + 1, n),
    ifelse(seq_len(n - 1) %in% lags, above + 1 + seq_len(n - 1), NA)
  )
  scale <- log(sd(residuals(lm(reformulate(case$fixed, case$response), frame))))
  start <- c(rep(scale - 1, above), rep(scale, n), ifelse(seq_len(n - 1) %in% lags, 0.1, 0))
  run <- function(dispformula, start, map) {
    glmmTMB(
      formula, frame, dispformula = dispformula, REML = case$method == "REML",
      start = start, map = map,
      control = glmmTMBControl(optCtrl = list(iter.max = 1000, eval.max = 2000))
    )
  }
  theta <- list(theta = start)
  tied <- list(theta = factor(free))
  zero <- suppressWarnings(run(~0, theta, tied))
  v <- exp(2 * scale) / 100
  fixed <- c(tied, list(betad = factor(NA)))
  # nlminb also tries matrices that are not positive definite; the gradient is recorded
  fit <- suppressWarnings(run(~1, c(theta, list(betad = log(v))), fixed))
  obj <- fit$obj
  par <- polished(obj, fit$fit$par)
  value <- -obj$fn(par)
  slope <- max(abs(obj$gr(par)))
  H <- hessian(obj, par)
  obj$fn(par) # effects that are integrated out belong to the last evaluation
  own <- obj$env$parList(par, obj$env$last.par)
  stopifnot(isTRUE(all.equal(sqrt(v), sigma(fit))))
  theta <- own$theta
  s <- exp(theta[above + 1])
  x <- theta[above + n + lags]
  r <- x / sqrt(1 + x^2)
  # the whole: variances of log sd and rho by the delta method
  at <- which(names(par) == "theta")
  V <- solve(H)[at, at]
  share <- s^2 / (s^2 + v)
  J <- diag(length(at))
  d <- above + 1
  J[d, d] <- share
  for (k in seq_along(lags)) {
    J[d + k, d + k] <- share * (1 + x[k]^2)^-1.5
    J[d + k, d] <- r[k] * 2 * share * (1 - share)
  }
  V <- J %*% V %*% t(J)
  # fixed effects at known variances
  beta_vcov <- if (case$method == "REML") {
    joint <- as.matrix(obj$env$spHess(obj$env$last.par, random = TRUE))
    b <- names(obj$env$last.par)[obj$env$random] == "beta"
    solve(joint)[b, b]
  } else {
    b <- names(par) == "beta"
    solve(H[b, b])
  }
  names <- c("(Intercept)", case$fixed)
  order <- match(c(case$fixed, "(Intercept)"), names)
  stopifnot(identical(names(fixef(fit)$cond), names))
  sd <- sqrt(s^2 + v)
  se <- sqrt(diag(V))
  message(sprintf(
    "%-14s logLik %15.9f  nlminb short by %8.1e, with ~0 by %8.1e; gradient %7.1e",
    case$id, value, value + fit$fit$objective, value + zero$fit$objective, slope
  ))
  residuals <- c(
    list(structure = "toeplitz", time = "t"),
    if (!is.null(case$order)) list(order = case$order)
  )
  list(
    id = case$id, data = case$data, fixed = I(case$fixed), response = case$response,
    method = tolower(case$method), residuals = residuals, above = case$above,
    n_obs = nrow(frame), log_likelihood = value,
    log_likelihood_zero = -zero$fit$objective, gradient = slope,
    coef = own$beta[order], se = sqrt(diag(beta_vcov))[order],
    residual = as.list(setNames(c(r * share, sd), c(paste0("rho", lags), "sd(e)"))),
    residual_se = as.list(setNames(
      c(se[d + seq_along(lags)], sd * se[d]), c(paste0("rho", lags), "sd(e)")
    )),
    effect = if (above) exp(theta[1]), effect_se = if (above) exp(theta[1]) * se[1]
  )
}

version <- function(package) as.character(packageVersion(package))
results <- lapply(cases, fit_case)
writeLines(
  toJSON(list(
    generator = "make_glmmtmb.R",
    r_version = paste(R.version$major, R.version$minor, sep = "."),
    glmmTMB = version("glmmTMB"), TMB = version("TMB"), cases = results,
    data = lapply(frames[c("panel", "sites")], as.list)
  ), digits = I(12), auto_unbox = TRUE, null = "null"),
  file.path(here, "glmmtmb.json")
)
