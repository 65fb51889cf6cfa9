# Fits with precision weights and offsets by lme4 and nlme; writes precision_weights.json.
# Rscript make_precision_weights.R precision_weights.json
suppressMessages({
  library(lme4); library(lmerTest); library(nlme); library(jsonlite)
  library(clubSandwich); library(emmeans)
})
set.seed(7)
n_groups <- 14
size <- 9
d <- data.frame(
  a = rep(seq_len(n_groups), each = size),
  t = rep(seq_len(size), n_groups)
)
n <- nrow(d)
d$b <- (d$t - 1) %/% 3
d$h <- sample(seq_len(8), n, replace = TRUE)
d$x <- round(rnorm(n), 4)
d$w <- round(rgamma(n, 2, 1) + 0.05, 4)
d$o <- round(rnorm(n), 4)
e <- as.vector(sapply(seq_len(n_groups), function(i) arima.sim(list(ar = 0.5), size)))
u <- rnorm(n_groups); s <- 0.4 * rnorm(n_groups); k <- 0.7 * rnorm(8)
m <- 0.6 * rnorm(n_groups * 3)
d$y <- round(1 + 0.5 * d$x + 0.1 * d$t + u[d$a] + s[d$a] * d$x + k[d$h] +
  m[(d$a - 1) * 3 + d$b + 1] + e / sqrt(d$w), 4)
d$v <- 1 / d$w
d$id <- factor(d$a)

one <- function(fit, extra = list()) {
  c(list(
    log_likelihood = as.numeric(logLik(fit)),
    beta = unname(if (inherits(fit, c("merMod", "lme"))) fixef(fit) else coef(fit))
  ), extra)
}
of_lmer <- function(formula, reml, offset = NULL) {
  fit <- eval(bquote(lmer(
    .(formula), data = d, weights = w, offset = .(offset), REML = .(reml),
    control = lmerControl(
      optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5)
    )
  )))
  cf <- summary(fit)$coefficients
  one(fit, list(
    se = unname(sqrt(diag(as.matrix(vcov(fit))))),
    df = unname(cf[, "df"]),
    sigma = sigma(fit),
    variances = as.data.frame(VarCorr(fit))$vcov,
    ranef = unname(as.matrix(ranef(fit)[["a"]])[1:3, 1]),
    fitted = unname(fitted(fit)[1:5]),
    pearson = unname(residuals(fit, type = "pearson", scaled = TRUE)[1:5])
  ))
}
variances <- function(fit) {
  v <- suppressWarnings(as.numeric(VarCorr(fit)[, "Variance"]))
  v[!is.na(v)]
}
of_lme <- function(fixed, random, method, correlation = NULL, weights = varFixed(~v)) {
  fit <- lme(fixed, random = random, correlation = correlation, method = method, weights = weights, data = d,
    control = lmeControl(msTol = 1e-13, tolerance = 1e-12, msMaxIter = 500, maxIter = 500,
      opt = "nlminb", niterEM = 100))
  cs <- fit$modelStruct$corStruct
  one(fit, list(
    sigma = fit$sigma,
    between = as.numeric(getVarCov(fit)),
    phi = if (is.null(cs)) NULL else unname(coef(cs, unconstrained = FALSE)),
    ranef = unname(as.matrix(ranef(fit))[1:3, 1]),
    fitted = unname(fitted(fit)[1:5]),
    normalized = unname(residuals(fit, type = "normalized")[1:5])
  ))
}
of_gls <- function(model, method, correlation = NULL, weights = varFixed(~v)) {
  fit <- gls(model, correlation = correlation, method = method, weights = weights, data = d,
    control = glsControl(msTol = 1e-13, tolerance = 1e-12, msMaxIter = 500, maxIter = 500))
  cs <- fit$modelStruct$corStruct
  one(fit, list(
    sigma = fit$sigma,
    phi = if (is.null(cs)) NULL else unname(coef(cs, unconstrained = FALSE)),
    normalized = unname(residuals(fit, type = "normalized")[1:5])
  ))
}
both <- function() varComb(varFixed(~v), varIdent(form = ~ 1 | b))
# pbkrtest takes no notice of weights: its numbers come from rows multiplied by their
# roots, which is the same model
d$root <- sqrt(d$w)
d$ys <- d$root * d$y; d$yo <- d$root * (d$y - d$o)
d$xs <- d$root * d$x; d$ts <- d$root * d$t
kenward_roger <- function(formula) {
  cf <- summary(lmer(formula, data = d, control = lmerControl(
    optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5)
  )), ddf = "Kenward-Roger")$coefficients
  list(se = unname(cf[, "Std. Error"]), df = unname(cf[, "df"]))
}
# of lme and gls: clubSandwich refuses lmer with weights
sandwich <- function(fit) {
  of <- function(type) {
    found <- coef_test(fit, vcov = type, cluster = d$id, test = "Satterthwaite")
    list(se = found$SE, df = found$df_Satt)
  }
  sapply(c("CR0", "CR1", "CR2", "CR3"), of, simplify = FALSE)
}
tight <- lmeControl(msTol = 1e-13, tolerance = 1e-12, msMaxIter = 500, maxIter = 500,
  niterEM = 100)
d$f <- factor(c("u", "v", "w")[d$b + 1])
d$k <- factor(c("no", "yes")[d$h %% 2 + 1])
grid <- lmer(y ~ x + f + k + (1 | a), data = d, weights = w, offset = o, REML = FALSE)
means <- function(fit, ...) {
  found <- as.data.frame(emmeans(fit, ~f, lmer.df = "asymptotic", ...))
  list(mean = found$emmean, se = found$SE)
}
plain <- lm(y ~ x + t, data = d, weights = w, offset = o)
fits <- list(
  lmer_intercept_ml = of_lmer(y ~ x + t + (1 | a), FALSE),
  lmer_slope_reml = of_lmer(y ~ x + t + (x | a), TRUE),
  lmer_crossed_reml_offset = of_lmer(y ~ x + t + (1 | a) + (1 | h), TRUE, quote(o)),
  lmer_nested_ml_offset = of_lmer(y ~ x + t + (1 | a / b), FALSE, quote(o)),
  lmer_formula_offset = of_lmer(y ~ x + t + offset(o) + (1 | a), TRUE),
  lm_offset = one(plain, list(residual = unname(residuals(plain)[1:5]))),
  gls_plain_reml = of_gls(y ~ x + t, method = "REML"),
  gls_ar1_ml = of_gls(y ~ x + t, correlation = corAR1(form = ~ t | id), method = "ML"),
  gls_ar1_reml = of_gls(y ~ x + t, correlation = corAR1(form = ~ t | id), method = "REML"),
  gls_exchangeable_reml = of_gls(y ~ x + t, correlation = corCompSymm(form = ~ 1 | id),
    method = "REML"),
  gls_ma1_ml = of_gls(y ~ x + t,
    correlation = corARMA(form = ~ t | id, p = 0, q = 1), method = "ML"),
  lme_intercept_reml = of_lme(y ~ x + t, random = ~ 1 | id, method = "REML"),
  lme_slope_ml = of_lme(y ~ x + t, random = ~ x | id, method = "ML"),
  lme_ar1_ml = of_lme(y ~ x + t, random = ~ 1 | id,
    correlation = corAR1(form = ~ t | id), method = "ML"),
  lmer_slope_ml_offset = of_lmer(y ~ x + t + (x | a), FALSE, quote(o)),
  lmer_crossed_ml = of_lmer(y ~ x + t + (1 | a) + (1 | h), FALSE),
  lmer_nested_reml = of_lmer(y ~ x + t + (1 | a / b), TRUE),
  lmer_diagonal_reml_offset = of_lmer(y ~ x + t + (x || a), TRUE, quote(o)),
  lme_comb_reml = of_lme(y ~ x + t, random = ~ 1 | id, method = "REML", weights = both()),
  lme_ar1_comb_ml = of_lme(y ~ x + t, random = ~ 1 | id,
    correlation = corAR1(form = ~ t | id), method = "ML", weights = both()),
  gls_comb_ml = of_gls(y ~ x + t, method = "ML", weights = both()),
  gls_ar1_comb_reml = of_gls(y ~ x + t, correlation = corAR1(form = ~ t | id),
    method = "REML", weights = both())
)
# what to_lme4 and to_nlme write
data <- d
codes <- c(
  "fit <- lmer(y ~ x + t + (1 + x | a), data = data, weights = w, offset = o, REML = TRUE)",
  "fit <- lmer(y ~ x + offset(o) + offset(log(w)) + (1 | a), data = data, weights = w, REML = FALSE)",
  "fit <- lm(y ~ x + t, data = data, weights = w, offset = o)",
  paste0(
    "fit <- lme(I(y - o) ~ x + t, data = data, method = \"REML\",\n",
    "  random = list(a = pdIdent(~ 1)),\n  weights = varFixed(~ 1 / w))"
  ),
  paste0(
    "fit <- gls(y ~ x + t, data = data, method = \"ML\",\n",
    "  correlation = corAR1(0.55, form = ~ t | a),\n",
    "  weights = varComb(varFixed(~ 1 / w), varIdent(form = ~ 1 | b)))"
  )
)
run <- function(code) {
  eval(parse(text = code))
  list(code = code, log_likelihood = as.numeric(logLik(fit)))
}
others <- list(
  kenward_roger = list(
    lmer_slope_reml = kenward_roger(ys ~ 0 + root + xs + ts + (0 + root + xs | a)),
    lmer_crossed_reml_offset =
      kenward_roger(yo ~ 0 + root + xs + ts + (0 + root | a) + (0 + root | h)),
    lmer_formula_offset = kenward_roger(yo ~ 0 + root + xs + ts + (0 + root | a))
  ),
  sandwich = list(
    lme_intercept = sandwich(lme(y ~ x + t, random = ~ 1 | id, method = "ML",
      weights = varFixed(~v), data = d, control = tight)),
    lme_slope_reml = sandwich(lme(y ~ x + t, random = ~ x | id, method = "REML",
      weights = varFixed(~v), data = d, control = tight)),
    # of gls by ML clubSandwich takes a covariance matrix times n / (n - p)
    gls_ar1_reml = sandwich(gls(y ~ x + t, correlation = corAR1(form = ~ t | id),
      method = "REML", weights = varFixed(~v), data = d,
      control = glsControl(msTol = 1e-13, tolerance = 1e-12, msMaxIter = 500, maxIter = 500)))
  ),
  means = list(
    equal = means(grid), proportional = means(grid, weights = "proportional"),
    without = means(grid, offset = 0)
  ),
  translations = lapply(codes, run)
)
versions <- list(
  R = paste(R.version$major, R.version$minor, sep = "."),
  lme4 = as.character(packageVersion("lme4")),
  lmerTest = as.character(packageVersion("lmerTest")),
  nlme = as.character(packageVersion("nlme")),
  pbkrtest = as.character(packageVersion("pbkrtest")),
  clubSandwich = as.character(packageVersion("clubSandwich")),
  emmeans = as.character(packageVersion("emmeans"))
)
out <- list(
  made_by = "make_precision_weights.R", versions = versions,
  data = d[c("a", "b", "h", "t", "x", "w", "o", "y")], fits = fits,
  others = others
)
write_json(out, commandArgs(TRUE)[1], digits = 12, auto_unbox = TRUE, dataframe = "columns",
  null = "null")
