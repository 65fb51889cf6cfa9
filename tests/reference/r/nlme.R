# Independent checks of a fit: V in full at the optimum, lme4's own BLUPs with their
# variances, and nlme's own optimum.

check_fit <- function(model, frame, fit) {
  checks <- list(optimisers = fit$optimum$gap / 2, gradient = fit$optimum$gradient)
  if (fit$source == "lme4" && nrow(frame) <= 500) {
    checks$dense <- abs(dense_value(model, frame, fit) - fit$log_likelihood)
    stopifnot(checks$dense < 1e-7)
  }
  if (fit$source == "lme4") {
    checks$ranef <- ranef_difference(model, frame, fit)
    stopifnot(is.null(checks$ranef) || checks$ranef < 1e-7)
  }
  other <- nlme_value(model, frame)
  if (!is.null(other)) {
    checks$nlme <- abs(other - fit$log_likelihood)
    stopifnot(checks$nlme < 1e-4)
  }
  stopifnot(abs(checks$optimisers) < 1e-6, checks$gradient < 1e-5)
  checks
}

# Relative difference to ranef(); NULL where a level has several terms, whose joint
# variance lme4 does not give.
ranef_difference <- function(model, frame, fit) {
  if (anyDuplicated(names(fit$object@cnms))) {
    return(NULL)
  }
  theirs <- ranef(fit$object, condVar = TRUE)
  scaled <- function(a, b) max(abs(a - b)) / max(abs(b), 1e-8)
  max(mapply(function(eq, effects) {
    table <- theirs[[path_name(eq$path)]]
    at <- match(levels(frame[[path_name(eq$path)]]), rownames(table))
    column <- match(sub("^_cons$", "(Intercept)", eq$terms), names(table))
    variance <- attr(table, "postVar")[column, column, at, drop = FALSE]
    ours <- lapply(c("blup", "known"), function(name) lapply(effects, `[[`, name))
    max(
      scaled(do.call(rbind, ours[[1]]), as.matrix(table[at, column, drop = FALSE])),
      scaled(unlist(ours[[2]]), as.vector(variance))
    )
  }, model$random, fit$effects))
}

dense_value <- function(model, frame, fit) {
  n <- nrow(frame)
  v <- random_part(
    stacked_z(model, frame), model_factors(model, fit$optimum$par), n
  ) + diag(n)
  x <- design(frame, model$fixed, TRUE)
  -profile(v, x, frame[[model$response]], model$method)$deviance / 2
}

# Only for models that lme4 itself cannot state; NULL for the others.
nlme_value <- function(model, frame) {
  restricted <- vapply(model$random, function(eq) {
    length(eq$terms) > 1 && eq$covariance %in% c("identity", "exchangeable")
  }, NA)
  if (is.null(model$residuals) && !any(restricted)) {
    return(NULL)
  }
  right <- if (length(model$fixed)) model$fixed else "1"
  fixed <- reformulate(right, model$response)
  method <- toupper(model$method)
  extra <- nlme_residuals(model$residuals)
  if (!is.null(model$residuals$time)) {
    # corSymm wants 1, 2, ...; an expression in its formula would be evaluated by group.
    times <- frame[[model$residuals$time]]
    frame$.position <- match(times, sort(unique(times)))
  }
  if (!any(lengths(lapply(model$random, `[[`, "terms")) > 0)) {
    fit <- do.call(nlme::gls, c(list(fixed, frame, method = method), extra))
    return(as.numeric(logLik(fit)))
  }
  tight <- nlme::lmeControl(
    maxIter = 500, msMaxIter = 2000, msMaxEval = 5000, niterEM = 100, tolerance = 1e-12,
    msTol = 1e-14, msVerbose = FALSE, returnObject = TRUE
  )
  fit <- do.call(nlme::lme, c(
    list(fixed, frame, random = nlme_random(model), method = method, control = tight), extra
  ))
  as.numeric(logLik(fit))
}

nlme_random <- function(model) {
  groups <- vapply(model$random, function(eq) eq$group, "")
  lists <- lapply(unique(groups), function(group) {
    blocks <- lapply(model$random[groups == group], nlme_block)
    if (length(blocks) == 1) blocks[[1]] else nlme::pdBlocked(blocks)
  })
  setNames(lists, unique(groups))
}

nlme_block <- function(eq) {
  right <- paste(c(if (eq$intercept) "1" else "0", eq$columns), collapse = " + ")
  formula <- as.formula(paste("~", right))
  switch(eq$covariance,
    identity = nlme::pdIdent(formula),
    independent = nlme::pdDiag(formula),
    exchangeable = nlme::pdCompSymm(formula),
    unstructured = nlme::pdSymm(formula)
  )
}

nlme_residuals <- function(spec) {
  if (is.null(spec)) {
    return(list())
  }
  time <- if (is.null(spec$time)) "1" else spec$time
  within <- as.formula(paste("~", time, "|", spec$group))
  ordered <- as.formula(paste("~ .position |", spec$group))
  switch(spec$structure,
    ar = list(correlation = nlme::corARMA(form = within, p = spec$order)),
    ma = list(correlation = nlme::corARMA(form = within, q = spec$order)),
    exponential = list(correlation = nlme::corExp(form = within)),
    exchangeable = list(correlation = nlme::corCompSymm(form = within)),
    unstructured = list(
      correlation = nlme::corSymm(form = ordered),
      weights = nlme::varIdent(form = as.formula(paste("~ 1 |", spec$time)))
    ),
    independent = list(weights = nlme::varIdent(form = as.formula(paste("~ 1 |", spec$by))))
  )
}
