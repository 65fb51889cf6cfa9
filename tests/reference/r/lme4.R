# lme4's own deviance function, minimised over the model's parameters.
#
# lme4 has unstructured and independent covariances only.  The others restrict its
# theta, so the same deviance function serves: theta is written as a function of
# fewer parameters and lme4's result object is assembled at the optimum.

lme4_formula <- function(model) {
  terms <- unlist(lapply(model$random, function(eq) {
    group <- path_name(eq$path)
    plain <- sub("^_cons$", "1", eq$terms)
    alone <- ifelse(plain == "1", "1", paste0("0 + ", plain))
    if (eq$covariance == "independent" || length(plain) == 1) {
      return(sprintf("(%s | %s)", alone, group))
    }
    slopes <- setdiff(plain, "1")
    sprintf(
      "(%s | %s)", paste(c(if (eq$intercept) "1" else "0", slopes), collapse = " + "), group
    )
  }))
  fixed <- if (length(model$fixed)) model$fixed else "1"
  paste(model$response, "~", paste(c(fixed, terms), collapse = " + "))
}

# Where the columns of every equation sit among lme4's terms.
term_places <- function(model, terms) {
  groups <- names(terms$cnms)
  lapply(model$random, function(eq) {
    wanted <- sub("^_cons$", "(Intercept)", eq$terms)
    single <- eq$covariance == "independent" || length(wanted) == 1
    sets <- if (single) as.list(wanted) else list(wanted)
    found <- vapply(sets, function(set) {
      hit <- which(groups == path_name(eq$path) &
        vapply(terms$cnms, setequal, NA, y = set))
      stopifnot(length(hit) == 1)
      hit
    }, 0L)
    list(
      term = if (single) found else rep(found, length(wanted)),
      column = if (single) rep(1L, length(wanted)) else match(wanted, terms$cnms[[found]])
    )
  })
}

# The relative covariance of every lme4 term -> theta.  lme4 orders the columns of a
# term with the constant first, so its factor is that of the permuted covariance.
theta_of <- function(model, terms, places, par) {
  factors <- model_factors(model, par)
  theta <- vector("list", length(terms$cnms))
  for (e in seq_along(places)) {
    place <- places[[e]]
    for (term in unique(place$term)) {
      mine <- which(place$term == term)
      mine <- mine[order(place$column[mine])]
      root <- lower_root(factors[[e]][mine, , drop = FALSE])
      theta[[term]] <- root[lower.tri(root, diag = TRUE)]
    }
  }
  unlist(theta)
}

# Lower triangular R with R R' = F F'; also for singular F.
lower_root <- function(factor) {
  root <- t(qr.R(qr(t(factor), LAPACK = FALSE, tol = 0)))
  sign <- ifelse(diag(root) < 0, -1, 1)
  root * rep(sign, each = nrow(root))
}

fit_lme4 <- function(model, frame) {
  formula <- as.formula(lme4_formula(model))
  quiet <- lmerControl(
    check.scaleX = "ignore", check.conv.singular = "ignore", check.nobs.vs.nRE = "ignore"
  )
  parsed <- lFormula(formula, frame, REML = model$method == "reml", control = quiet)
  deviance <- do.call(mkLmerDevfun, parsed)
  terms <- parsed$reTrms
  places <- term_places(model, terms)
  criterion <- function(par) deviance(theta_of(model, terms, places, par))
  optimum <- minimum(criterion, model_starts(model), model_lower(model))
  theta <- theta_of(model, terms, places, optimum$par)
  deviance(theta)
  fit <- mkMerMod(environment(deviance),
    list(par = theta, fval = optimum$value, conv = 0, message = ""),
    terms, parsed$fr
  )
  sigma <- sigma(fit)
  list(
    source = "lme4", object = fit, formula = gsub("__in__", ":", lme4_formula(model), fixed = TRUE),
    log_likelihood = as.numeric(logLik(fit)), optimum = optimum,
    beta = constant_last(fixef(fit)),
    vcov = constant_last(as.matrix(vcov(fit))),
    sigma = sigma,
    sigmas = lapply(model_factors(model, optimum$par), function(f) sigma^2 * f %*% t(f)),
    residual = list(sd = sigma),
    effects = lme4_effects(model, frame, fit, places)
  )
}

constant_last <- function(x) {
  if (is.matrix(x)) {
    order <- c(seq_len(ncol(x))[-1], 1)
    return(unname(x[order, order, drop = FALSE]))
  }
  unname(c(x[-1], x[1]))
}

# BLUPs with their conditional variances, from Henderson's equations with lme4's
# matrices: once with beta known, once with the uncertainty of beta included.
lme4_effects <- function(model, frame, fit, places) {
  root <- t(as.matrix(getME(fit, "Lambdat")))
  z <- t(as.matrix(getME(fit, "Zt"))) %*% root
  x <- getME(fit, "X")
  q <- ncol(z)
  known <- root %*% solve(crossprod(z) + diag(q), t(root)) * sigma(fit)^2
  joint <- solve(rbind(
    cbind(crossprod(z) + diag(q), crossprod(z, x)), cbind(crossprod(x, z), crossprod(x))
  ))
  estimated <- root %*% joint[seq_len(q), seq_len(q)] %*% t(root) * sigma(fit)^2
  b <- as.vector(getME(fit, "b"))
  start <- getME(fit, "Gp")
  width <- lengths(getME(fit, "cnms"))
  Map(function(eq, place) {
    levels <- levels(getME(fit, "flist")[[path_name(eq$path)]])
    order <- match(levels(frame[[path_name(eq$path)]]), levels)
    lapply(order, function(g) {
      at <- start[place$term] + (g - 1) * width[place$term] + place$column
      list(
        blup = b[at], known = known[at, at, drop = FALSE],
        estimated = estimated[at, at, drop = FALSE]
      )
    })
  }, model$random, places)
}
