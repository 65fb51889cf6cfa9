# A fit as the list that becomes one case of the JSON.

shown_groups <- 60

report_case <- function(model, frame, fit, checks) {
  linear <- lm(
    reformulate(if (length(model$fixed)) model$fixed else "1", model$response), frame
  )
  names <- c(model$fixed, "_cons")
  list(
    id = model$id, source = fit$source, formula = fit$formula, method = model$method,
    data = model$data, rows = report_rows(model$rows), derive = model$derive,
    response = model$response, fixed = I(model$fixed),
    random_effects = lapply(model$random, function(eq) {
      list(
        group = eq$group, columns = I(eq$columns), covariance = eq$covariance,
        intercept = eq$intercept
      )
    }),
    residuals = model$residuals[c("structure", "order", "time", "by")],
    n_obs = nrow(frame),
    n_groups = lapply(
      setNames(model$random, vapply(model$random, `[[`, "", "name")),
      function(eq) nlevels(frame[[path_name(eq$path)]])
    ),
    log_likelihood = fit$log_likelihood,
    log_likelihood_linear = as.numeric(logLik(linear, REML = model$method == "reml")),
    checks = checks,
    at_boundary = any(fit$optimum$at_bound),
    coef = setNames(as.list(fit$beta), names),
    vcov = fit$vcov,
    sigma = fit$sigma,
    residual = lapply(fit$residual, function(v) if (length(v) > 1) I(v) else v),
    equations = Map(function(eq, sigma, effects) {
      report_equation(frame, eq, sigma, effects)
    }, model$random, fit$sigmas, fit$effects)
  )
}

report_rows <- function(rows) {
  if (!is.null(rows)) list(column = rows$column, among = I(rows$among))
}

report_equation <- function(frame, eq, sigma, effects) {
  sd <- sqrt(diag(sigma))
  shown <- seq_len(min(length(effects), shown_groups))
  if (!length(eq$terms)) shown <- integer()
  collect <- function(name) unname(lapply(effects[shown], `[[`, name))
  list(
    name = eq$name, path = I(eq$path), terms = I(eq$terms),
    sd = I(sd), corr = sigma / outer(sd, sd), cov = sigma,
    groups = path_labels(frame, eq$path)[shown, , drop = FALSE],
    blup = do.call(rbind, collect("blup")),
    var_beta_known = collect("known"),
    var_beta_estimated = collect("estimated")
  )
}
