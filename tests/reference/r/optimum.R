# The minimum of a smooth deviance, to about the last digit the deviance carries.

# Five-point differences: truncation error of order h^4, so h may be large.
gradient <- function(f, at, free = seq_along(at), h = 1e-3) {
  vapply(free, function(i) {
    step <- h * max(abs(at[i]), 1e-2)
    value <- function(k) f(replace(at, i, at[i] + k * step))
    (8 * (value(1) - value(-1)) - (value(2) - value(-2))) / (12 * step)
  }, 0)
}

hessian <- function(f, at, free) {
  columns <- vapply(free, function(i) {
    step <- 1e-3 * max(abs(at[i]), 1e-2)
    side <- function(k) gradient(f, replace(at, i, at[i] + k * step), free)
    (side(1) - side(-1)) / (2 * step)
  }, numeric(length(free)))
  columns <- matrix(columns, length(free))
  (columns + t(columns)) / 2
}

# Newton steps on those differences; parameters at a bound stay there.
polish <- function(f, at, free, steps = 8) {
  if (!length(free)) {
    return(at)
  }
  for (k in seq_len(steps)) {
    step <- solve(hessian(f, at, free), gradient(f, at, free))
    trial <- replace(at, free, at[free] - step)
    if (f(trial) > f(at) + 1e-9) break
    at <- trial
    if (max(abs(step)) < 1e-11 * (1 + max(abs(at)))) break
  }
  at
}

# Two optimisers from several starts.  `zero` lists the parameters that a bound
# stops at 0.  Returns the polished minimum and the gap between the optimisers.
minimum <- function(f, starts, lower) {
  one <- lapply(starts, function(s) {
    minqa::bobyqa(s, f, lower = lower, control = list(
      rhobeg = 0.2, rhoend = 1e-10, maxfun = 50000
    ))[c("par", "fval")]
  })
  two <- lapply(starts, function(s) {
    fit <- nlminb(s, f, lower = lower, control = list(
      eval.max = 5000, iter.max = 5000, rel.tol = 1e-15, x.tol = 1e-12
    ))
    list(par = fit$par, fval = fit$objective)
  })
  best <- function(fits) fits[[which.min(vapply(fits, function(k) k$fval, 0))]]
  one <- best(one)
  two <- best(two)
  winner <- best(list(one, two))
  at_bound <- is.finite(lower) & winner$par - lower < 1e-4 &
    vapply(seq_along(lower), function(i) {
      is.finite(lower[i]) && f(replace(winner$par, i, lower[i])) <= winner$fval + 1e-8
    }, NA)
  par <- ifelse(at_bound, lower, winner$par)
  par <- polish(f, par, which(!at_bound))
  stopifnot(f(par) <= winner$fval + 1e-9)
  slope <- gradient(f, par, which(!at_bound))
  list(
    par = par, value = f(par), at_bound = at_bound,
    gap = max(one$fval, two$fval) - f(par),
    gradient = if (length(slope)) max(abs(slope)) else 0
  )
}
