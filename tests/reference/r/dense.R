# The slow, obvious likelihood: V in full, one Cholesky.  It fits what lme4 cannot
# (residual structures) and checks every other fit on data small enough.

stacked_z <- function(model, frame) {
  lapply(model$random, function(eq) {
    groups <- frame[[path_name(eq$path)]]
    columns <- design(frame, eq$columns, eq$intercept)
    lapply(seq_len(nlevels(groups)), function(g) columns * (as.integer(groups) == g))
  })
}

# Sum over equations and groups of Z_g S Z_g', relative to sigma^2.
random_part <- function(blocks, factors, n) {
  v <- matrix(0, n, n)
  for (e in seq_along(blocks)) {
    if (!nrow(factors[[e]])) next
    for (z in blocks[[e]]) v <- v + tcrossprod(z %*% factors[[e]])
  }
  v
}

profile <- function(v, x, y, method) {
  root <- t(chol(v))
  xw <- forwardsolve(root, x)
  yw <- forwardsolve(root, y)
  information <- crossprod(xw)
  beta <- solve(information, crossprod(xw, yw))
  squares <- sum((yw - xw %*% beta)^2)
  reml <- method == "reml"
  count <- length(y) - if (reml) ncol(x) else 0
  value <- count * (log(2 * pi) + 1 + log(squares / count)) + 2 * sum(log(diag(root))) +
    if (reml) as.numeric(determinant(information)$modulus) else 0
  list(
    deviance = value, beta = as.vector(beta), sigma2 = squares / count,
    inverse = solve(information)
  )
}

fit_dense <- function(model, frame) {
  x <- design(frame, model$fixed, TRUE)
  y <- frame[[model$response]]
  n <- length(y)
  blocks <- stacked_z(model, frame)
  residual <- residual_structure(model, frame)
  lower_effects <- as.numeric(model_lower(model))
  count <- length(lower_effects)
  assemble <- function(par) {
    random_part(blocks, model_factors(model, par[seq_len(count)]), n) +
      residual$matrix(par[seq_along(residual$start) + count])
  }
  criterion <- function(par) {
    value <- tryCatch(profile(assemble(par), x, y, model$method)$deviance,
      error = function(e) NA
    )
    if (is.finite(value)) value else 1e10
  }
  starts <- lapply(c(1, 0.3), function(s) {
    c(s * as.numeric(unlist(lapply(model$random, structure_start))), residual$start)
  })
  optimum <- minimum(criterion, starts, c(lower_effects, rep(-Inf, length(residual$start))))
  at <- profile(assemble(optimum$par), x, y, model$method)
  factors <- model_factors(model, optimum$par[seq_len(count)])
  sigmas <- lapply(factors, function(f) at$sigma2 * f %*% t(f))
  list(
    source = "dense", formula = NULL, log_likelihood = -at$deviance / 2, optimum = optimum,
    beta = at$beta, vcov = unname(at$sigma2 * at$inverse), sigma = sqrt(at$sigma2),
    sigmas = sigmas,
    residual = residual$report(optimum$par[seq_along(residual$start) + count], at$sigma2),
    effects = dense_effects(blocks, sigmas, at$sigma2 * assemble(optimum$par), x, y)
  )
}

dense_effects <- function(blocks, sigmas, v, x, y) {
  inverse <- solve(v)
  vcov <- solve(t(x) %*% inverse %*% x)
  project <- inverse - inverse %*% x %*% vcov %*% t(x) %*% inverse
  Map(function(groups, sigma) {
    lapply(groups, function(z) {
      dz <- sigma %*% t(z)
      list(
        blup = as.vector(dz %*% project %*% y),
        known = sigma - dz %*% inverse %*% t(dz),
        estimated = sigma - dz %*% project %*% t(dz)
      )
    })
  }, blocks, sigmas)
}

# Correlation or relative variance of the residuals: parameters on the whole line.
residual_structure <- function(model, frame) {
  spec <- model$residuals
  group <- path_factor(frame, model$random[[length(model$random)]]$path)
  same <- outer(group, group, "==")
  lag <- if (!is.null(spec$time)) abs(outer(frame[[spec$time]], frame[[spec$time]], "-"))
  by_lag <- function(correlation) {
    same * matrix(correlation[pmin(lag, length(correlation) - 1) + 1], nrow(lag))
  }
  switch(spec$structure,
    ar = {
      phi <- function(par) from_partial(tanh(par))
      list(
        start = rep(0.1, spec$order),
        matrix = function(par) by_lag(ARMAacf(phi(par), lag.max = max(lag))),
        report = function(par, s2) {
          names <- if (spec$order == 1) "rho" else paste0("phi", seq_len(spec$order))
          c(list(sd = sqrt(s2)), setNames(as.list(phi(par)), names))
        }
      )
    },
    ma = {
      theta <- function(par) -from_partial(tanh(par))
      list(
        start = rep(0.1, spec$order),
        matrix = function(par) by_lag(ARMAacf(ma = theta(par), lag.max = max(lag))),
        report = function(par, s2) {
          c(
            list(sd = sqrt(s2)),
            setNames(as.list(theta(par)), paste0("theta", seq_len(spec$order)))
          )
        }
      )
    },
    exponential = list(
      start = 1,
      matrix = function(par) same * plogis(par)^lag,
      report = function(par, s2) list(sd = sqrt(s2), rho = plogis(par))
    ),
    exchangeable = list(
      start = 0,
      matrix = function(par) same * (diag(1 - tanh(par), nrow(same)) + tanh(par)),
      report = function(par, s2) list(sd = sqrt(s2), rho = tanh(par))
    ),
    unstructured = {
      times <- sort(unique(frame[[spec$time]]))
      code <- match(frame[[spec$time]], times)
      k <- length(times)
      full <- function(par) {
        root <- matrix(0, k, k)
        root[lower.tri(root, diag = TRUE)] <- c(0, par)
        diag(root) <- exp(diag(root))
        tcrossprod(root)
      }
      list(
        start = rep(0, k * (k + 1) / 2 - 1),
        matrix = function(par) same * full(par)[code, code],
        report = function(par, s2) list(times = times, covariance = s2 * full(par))
      )
    },
    independent = {
      kinds <- sort(unique(frame[[spec$by]]))
      code <- match(frame[[spec$by]], kinds)
      scale <- function(par) exp(2 * c(0, par))
      list(
        start = rep(0, length(kinds) - 1),
        matrix = function(par) diag(scale(par)[code]),
        report = function(par, s2) list(by = kinds, sd = sqrt(s2 * scale(par)))
      )
    }
  )
}

# Partial autocorrelations -> coefficients of a stationary autoregression.
from_partial <- function(partial) {
  phi <- partial[1]
  for (r in partial[-1]) phi <- c(phi - r * rev(phi), r)
  phi
}
