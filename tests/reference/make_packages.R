# Writes packages.json: fits to the data sets of R's packages that test_packages.py
# compares with.
#
#   Rscript make_packages.R
#
# lme() and gls() of nlme, lmer() of lme4 and glmmTMB(), each with tight tolerances.
# The data are stored with the fits, so that the suite needs no R.  Standard errors of
# variance parameters come from glmmTMB: log standard deviations as they are, and
# atanh(corr) = asinh(theta) of its unstructured matrices by the delta method; those of
# nlme are differences with steps too wide for more than one or two digits.

suppressPackageStartupMessages({
  library(nlme)
  library(lme4)
  library(glmmTMB)
  library(jsonlite)
})
options(digits = 15, warn = 1)
here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))

tight <- lmeControl(
  maxIter = 2000, msMaxIter = 5000, msMaxEval = 20000, niterEM = 300,
  tolerance = 1e-14, msTol = 1e-16, returnObject = TRUE
)
tight_gls <- glsControl(
  maxIter = 2000, msMaxIter = 5000, tolerance = 1e-14, msTol = 1e-16, returnObject = TRUE
)
tight_lmer <- lmerControl(
  optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-13, maxeval = 20000),
  calc.derivs = FALSE, check.conv.singular = "ignore"
)

equation <- function(group, columns = character(), covariance = NULL, intercept = TRUE) {
  out <- list(
    group = unbox(group), columns = I(columns), intercept = unbox(intercept)
  )
  if (!is.null(covariance)) out$covariance <- unbox(covariance)
  out
}
residuals_of <- function(structure, ...) lapply(list(structure = structure, ...), unbox)

data_sets <- list()
cases <- list()

plain <- function(frame) {
  frame <- as.data.frame(frame)
  as.list(lapply(frame, function(x) if (is.factor(x)) as.character(x) else x))
}

blocks_of <- function(parts, scale) {
  unname(lapply(parts, function(part) {
    m <- as.matrix(part) * scale
    list(terms = sub("(Intercept)", "_cons", rownames(m), fixed = TRUE), Sigma = unname(m))
  }))
}

# Every ninth row.
some <- function(rows) unname(as.matrix(rows)[seq(1, nrow(rows), 9), , drop = FALSE])

describe <- function(fit, method, new) {
  out <- list(engine = unbox(class(fit)[1]), log_likelihood = unbox(c(logLik(fit))))
  if (inherits(fit, "gls")) {
    # vcov() of a fit by maximum likelihood carries n / (n - p)
    n <- fit$dims$N
    shrink <- if (method == "ML") (n - fit$dims$p) / n else 1
    out <- c(out, list(coef = coef(fit), vcov = unname(fit$varBeta) * shrink))
    out$sigma <- unbox(fit$sigma)
  } else if (inherits(fit, "lme")) {
    out <- c(out, list(coef = fixef(fit), vcov = unname(fit$varFix)))
    out$sigma <- unbox(fit$sigma)
    out$Sigma <- blocks_of(as.list(fit$modelStruct$reStruct), fit$sigma^2)
    out$fitted <- some(as.data.frame(fitted(fit, level = 0:ncol(fit$groups))))
    if (!is.null(new)) {
      p <- predict(fit, newdata = new, level = 0:ncol(fit$groups))
      out$new <- plain(new)
      out$predicted <- unname(as.matrix(p[, grep("predict", names(p))]))
    }
  } else if (inherits(fit, "lmerMod")) {
    out <- c(out, list(coef = fixef(fit), vcov = unname(as.matrix(vcov(fit)))))
    out$sigma <- unbox(sigma(fit))
    out$Sigma <- blocks_of(lapply(VarCorr(fit), function(m) {
      structure(c(m), dim = dim(m), dimnames = dimnames(m))
    }), 1)
    out$fitted <- some(cbind(fitted(fit)))
  } else {
    out <- c(out, list(coef = fixef(fit)$cond))
    out$sigma <- unbox(sigma(fit))
    out$Sigma <- blocks_of(lapply(VarCorr(fit)$cond, function(m) {
      structure(c(m), dim = dim(m), dimnames = dimnames(m))
    }), 1)
    theta <- fit$sdr$par.fixed
    se <- sqrt(diag(fit$sdr$cov.fixed))
    own <- names(theta) == "theta"
    # betad is the log variance of the residuals
    out$se_log_sigma <- unbox(unname(se[names(theta) %in% c("betad", "betadisp")]) / 2)
    out$theta <- unname(theta[own])
    out$se_theta <- unname(se[own])
  }
  parts <- if (inherits(fit, c("lme", "gls"))) fit$modelStruct
  if (!is.null(parts$corStruct)) {
    out$correlation <- unname(coef(parts$corStruct, unconstrained = FALSE))
  }
  if (!is.null(parts$varStruct)) {
    out$ratio <- as.list(lapply(
      coef(parts$varStruct, unconstrained = FALSE, allCoef = TRUE), unbox
    ))
  }
  names(out$coef) <- sub("(Intercept)", "_cons", names(out$coef), fixed = TRUE)
  out$coef <- lapply(as.list(out$coef), unbox)
  out
}

# One model by both methods.  `call` sees the data as `d`, and M or REML.
add <- function(id, data, response, fixed, equations, call, residuals = NULL,
                intercept = TRUE, new = NULL, frame = get(data)) {
  call <- substitute(call)
  if (!is.null(equations$group)) equations <- list(equations)
  used <- unique(c(
    response, fixed, unlist(lapply(equations, function(e) c(e$group, e$columns))),
    unlist(residuals[c("time", "by")])
  ))
  frame <- as.data.frame(frame)
  data_sets[[data]] <<- plain(frame[, union(names(data_sets[[data]]), used)])
  for (method in c("ML", "REML")) {
    fit <- suppressWarnings(eval(call, list(d = frame, M = method, REML = method == "REML")))
    cases[[length(cases) + 1]] <<- c(
      list(
        id = unbox(paste0(id, "-", tolower(method))), data = unbox(data),
        response = unbox(response), fixed = I(fixed), fit_intercept = unbox(intercept),
        random_effects = equations, residuals = residuals,
        method = unbox(tolower(method)),
        call = unbox(paste(trimws(deparse(call)), collapse = " "))
      ),
      describe(fit, method, new)
    )
  }
}

dummy <- function(frame, name, factor, level) {
  frame[[name]] <- as.numeric(as.character(frame[[factor]]) == level)
  frame
}

# -- nlme's data --------------------------------------------------------------------

teeth <- as.data.frame(Orthodont)
teeth <- dummy(dummy(teeth, "male", "Sex", "Male"), "female", "Sex", "Female")
teeth$male_age <- teeth$male * teeth$age
teeth$female_age <- teeth$female * teeth$age
add("orthodont-cells", "teeth", "distance",
  c("male", "female", "male_age", "female_age"), equation("Subject"),
  lme(distance ~ 0 + male + female + male_age + female_age, d, ~ 1 | Subject,
    method = M, control = tight),
  intercept = FALSE)
add("orthodont-sex-variance", "teeth", "distance", c("age", "male", "male_age"),
  equation("Subject", "age", "unstructured"),
  lme(distance ~ age + male + male_age, d, ~ age | Subject,
    weights = varIdent(form = ~ 1 | male), method = M, control = tight),
  residuals = residuals_of("independent", by = "male"))

oxide <- as.data.frame(Oxide)
add("oxide", "oxide", "Thickness", character(), list(equation("Lot"), equation("Wafer")),
  lme(Thickness ~ 1, d, ~ 1 | Lot / Wafer, method = M, control = tight),
  new = data.frame(Lot = c("1", "8", "8"), Wafer = c("1", "3", "1")))

machines <- as.data.frame(Machines)
for (m in c("A", "B", "C")) machines <- dummy(machines, m, "Machine", m)
unbalanced <- machines[-c(2, 3, 9, 17, 18, 20, 25, 31, 32, 33, 40, 47, 52), ]
add("machines", "unbalanced", "score", c("B", "C"),
  list(equation("Worker"), equation("Machine")),
  lme(score ~ B + C, d, ~ 1 | Worker / Machine, method = M, control = tight))
add("machines-unstructured", "machines", "score", c("B", "C"),
  equation("Worker", c("A", "B", "C"), "unstructured", FALSE),
  lme(score ~ B + C, d, list(Worker = pdSymm(~ 0 + A + B + C)), method = M,
    control = tight))
add("machines-exchangeable", "machines", "score", c("B", "C"),
  equation("Worker", c("A", "B", "C"), "exchangeable", FALSE),
  lme(score ~ B + C, d, list(Worker = pdCompSymm(~ 0 + A + B + C)), method = M,
    control = tight))
add("machines-blocks", "unbalanced", "score", c("B", "C"),
  list(equation("Worker", c("A", "B", "C"), "identity", FALSE), equation("Worker")),
  lme(score ~ B + C, d,
    list(Worker = pdBlocked(list(pdIdent(~ 0 + A + B + C), pdIdent(~1)))),
    method = M, control = tight))

stools <- as.data.frame(ergoStool)
for (t in c("T2", "T3", "T4")) stools <- dummy(stools, t, "Type", t)
add("stools", "stools", "effort", c("T2", "T3", "T4"), equation("Subject"),
  lme(effort ~ T2 + T3 + T4, d, ~ 1 | Subject, method = M, control = tight))

pixel <- as.data.frame(Pixel)
pixel$day2 <- pixel$day^2
new_days <- pixel[c(1, 20, 40, 80), c("Dog", "Side", "day", "day2")]
new_days$day <- c(3, 5, 9, 30)
new_days$day2 <- new_days$day^2
add("pixel", "pixel", "pixel", c("day", "day2"),
  list(equation("Dog", "day", "unstructured"), equation("Side")),
  lme(pixel ~ day + day2, d, list(Dog = ~day, Side = ~1), method = M, control = tight),
  new = new_days)

rats <- as.data.frame(BodyWeight)
rats <- dummy(dummy(rats, "D2", "Diet", "2"), "D3", "Diet", "3")
add("bodyweight", "rats", "weight", c("Time", "D2", "D3"),
  equation("Rat", "Time", "unstructured"),
  lme(weight ~ Time + D2 + D3, d, ~ Time | Rat, method = M, control = tight))
add("bodyweight-exponential", "rats", "weight", c("Time", "D2", "D3"),
  equation("Rat", "Time", "unstructured"),
  lme(weight ~ Time + D2 + D3, d, ~ Time | Rat,
    correlation = corCAR1(form = ~ Time | Rat), method = M, control = tight),
  residuals = residuals_of("exponential", time = "Time"))

mares <- as.data.frame(Ovary)
mares$Mare <- sprintf("%02d", as.integer(as.character(mares$Mare)))
mares <- mares[order(mares$Mare, mares$Time), ]
mares$k <- ave(mares$Time, mares$Mare, FUN = seq_along)
mares$s <- round(sin(2 * pi * mares$Time), 8)
mares$c <- round(cos(2 * pi * mares$Time), 8)
gaps <- mares[(mares$k * 7 + as.integer(mares$Mare)) %% 5 != 0, ]
add("ovary-ar1-gaps", "gaps", "follicles", c("s", "c"), equation("Mare"),
  lme(follicles ~ s + c, d, ~ 1 | Mare, correlation = corAR1(form = ~ k | Mare),
    method = M, control = tight),
  residuals = residuals_of("ar", time = "k"))
add("ovary-ar1-slope", "gaps", "follicles", c("s", "c"), equation("Mare", "s"),
  lme(follicles ~ s + c, d, list(Mare = pdDiag(~s)),
    correlation = corAR1(form = ~ k | Mare), method = M, control = tight),
  residuals = residuals_of("ar", time = "k"))
add("ovary-ar3", "gaps", "follicles", c("s", "c"), equation("Mare", intercept = FALSE),
  gls(follicles ~ s + c, d, correlation = corARMA(form = ~ k | Mare, p = 3), method = M,
    control = tight_gls),
  residuals = residuals_of("ar", order = 3, time = "k"))
add("ovary-ma3", "gaps", "follicles", c("s", "c"), equation("Mare", intercept = FALSE),
  gls(follicles ~ s + c, d, correlation = corARMA(form = ~ k | Mare, q = 3), method = M,
    control = tight_gls),
  residuals = residuals_of("ma", order = 3, time = "k"))

wafer <- as.data.frame(Wafer)
wafer$v2 <- wafer$voltage^2
wafer$cw <- round(cos(4.5679 * wafer$voltage), 8)
wafer$sw <- round(sin(4.5679 * wafer$voltage), 8)
add("wafer", "wafer", "current", c("voltage", "v2", "cw", "sw"),
  list(equation("Wafer", c("voltage", "v2")), equation("Site", c("voltage", "v2"))),
  lme(current ~ voltage + v2 + cw + sw, d,
    list(Wafer = pdDiag(~ voltage + v2), Site = pdDiag(~ voltage + v2)),
    method = M, control = tight))

assay <- as.data.frame(Assay)
for (s in letters[1:6]) assay <- dummy(assay, paste0("s_", s), "sample", s)
for (k in 1:5) assay <- dummy(assay, paste0("d_", k), "dilut", k)
add("assay", "assay", "logDens", c(paste0("s_", letters[2:6]), paste0("d_", 2:5)),
  list(
    equation("Block", paste0("s_", letters[1:6]), "identity", FALSE),
    equation("Block", paste0("d_", 1:5), "identity", FALSE), equation("Block")
  ),
  lme(logDens ~ s_b + s_c + s_d + s_e + s_f + d_2 + d_3 + d_4 + d_5, d,
    list(Block = pdBlocked(list(
      pdIdent(~ 0 + s_a + s_b + s_c + s_d + s_e + s_f),
      pdIdent(~ 0 + d_1 + d_2 + d_3 + d_4 + d_5), pdIdent(~1)
    ))),
    method = M, control = tight))

gasoline <- as.data.frame(Gasoline)
add("gasoline", "gasoline", "yield", c("endpoint", "vapor"), equation("Sample"),
  lme(yield ~ endpoint + vapor, d, ~ 1 | Sample, method = M, control = tight))

quakes <- as.data.frame(Earthquake)
quakes$la <- round(log(quakes$accel), 8)
quakes$ld <- round(log(quakes$distance), 8)
add("earthquakes", "quakes", "la", c("ld", "Richter"),
  equation("Quake", "ld", "unstructured"),
  lme(la ~ ld + Richter, d, ~ ld | Quake, method = M, control = tight))

pups <- as.data.frame(RatPupWeight)
pups <- dummy(pups, "male", "sex", "Male")
pups$trt <- as.character(pups$Treatment)
add("rat-pups", "pups", "weight", c("male", "Lsize"), equation("Litter"),
  lme(weight ~ male + Lsize, d, ~ 1 | Litter, weights = varIdent(form = ~ 1 | trt),
    method = M, control = tight),
  residuals = residuals_of("independent", by = "trt"))

boys <- as.data.frame(Oxboys)
boys$year <- 1950 + 2 * boys$age # a calendar year in the fixed part
add("boys-calendar", "boys", "height", "year", equation("Subject", "age", "unstructured"),
  lme(height ~ year, d, ~ age | Subject, method = M, control = tight))

# -- lme4's data, with standard errors by glmmTMB ---------------------------------------

sleep <- sleepstudy
add("sleep-diagonal", "sleep", "Reaction", "Days", equation("Subject", "Days"),
  glmmTMB(Reaction ~ Days + diag(Days | Subject), d, REML = REML))
add("sleep-correlated", "sleep", "Reaction", "Days",
  equation("Subject", "Days", "unstructured"),
  glmmTMB(Reaction ~ Days + (Days | Subject), d, REML = REML))
add("sleep-exchangeable", "sleep", "Reaction", "Days",
  equation("Subject", "Days", "exchangeable"),
  lme(Reaction ~ Days, d, list(Subject = pdCompSymm(~Days)), method = M, control = tight))
dyes <- Dyestuff
add("dyestuff", "dyes", "Yield", character(), equation("Batch"),
  glmmTMB(Yield ~ 1 + (1 | Batch), d, REML = REML))
pastes <- Pastes
add("pastes", "pastes", "strength", character(),
  list(equation("batch"), equation("cask")),
  glmmTMB(strength ~ 1 + (1 | batch) + (1 | batch:cask), d, REML = REML))

# -- made-up data -------------------------------------------------------------------

simulated <- function(seed, sizes) {
  set.seed(seed)
  frame <- data.frame(g = rep(seq_along(sizes), sizes))
  frame$x <- round(rnorm(nrow(frame)), 3)
  frame
}
tiny <- simulated(12, c(2, 1, 2, 1, 2, 1, 1, 2, 1, 1, 2, 1, 2, 1))
tiny$y <- round(1 + tiny$x + rnorm(14)[tiny$g] + 0.5 * rnorm(20), 3)
add("tiny-groups", "tiny", "y", "x", equation("g"),
  lme(y ~ x, d, ~ 1 | g, method = M, control = tight))

near <- simulated(13, rep(6, 40))
near$y <- round(1 + near$x + rnorm(40)[near$g] +
  0.03 * rnorm(40)[near$g] * near$x + rnorm(240), 3)
add("variance-near-zero", "near", "y", "x", equation("g", "x"),
  glmmTMB(y ~ x + diag(x | g), d, REML = REML))

one <- simulated(14, rep(5, 30))
u <- rnorm(30)
one$y <- round(1 + one$x + u[one$g] + (0.6 * u[one$g] + 0.05 * rnorm(30)[one$g]) * one$x +
  0.7 * rnorm(150), 3)
add("correlation-one", "one", "y", "x", equation("g", "x", "unstructured"),
  lmer(y ~ x + (x | g), d, REML = REML, control = tight_lmer))

scales <- simulated(15, rep(c(2, 9, 4, 7, 5), 5))
scales$t <- round(1e7 * rnorm(nrow(scales)) + 3e7)
scales$z <- signif(1e-6 * rnorm(nrow(scales)), 5)
scales$y <- round(1e4 * (5 + scales$t / 1e7 + 2e6 * scales$z + rnorm(25)[scales$g] +
  0.4 * rnorm(25)[scales$g] * (scales$t / 1e7 - 3) + 0.8 * rnorm(nrow(scales))))
scales$t7 <- scales$t / 1e7
add("ill-scaled", "scales", "y", c("t", "z"), equation("g", "t7", "unstructured"),
  suppressWarnings(
    lmer(y ~ t + z + (1 + t7 | g), d, REML = REML, control = tight_lmer)
  ))

levels <- expand.grid(i = 1:3, d = 1:3, c = 1:3, b = 1:4, a = 1:6)
set.seed(11)
levels <- levels[runif(nrow(levels)) < 0.5, ]
levels$x <- round(rnorm(nrow(levels)), 3)
code <- function(...) as.integer(interaction(..., drop = TRUE))
levels$y <- with(levels, round(2 + x + rnorm(6)[a] + 0.7 * rnorm(24)[code(a, b)] +
  0.5 * rnorm(24)[code(a, b)] * x + 0.8 * rnorm(72)[code(a, b, c)] +
  0.6 * rnorm(216)[code(a, b, c, d)] + rnorm(length(x)), 3))
add("five-levels", "levels", "y", "x",
  list(equation("a"), equation("b", "x", "unstructured"), equation("c"), equation("d")),
  lmer(y ~ x + (1 | a) + (x | a:b) + (1 | a:b:c) + (1 | a:b:c:d), d, REML = REML,
    control = tight_lmer))
add("slopes-at-two-levels", "levels", "y", "x",
  list(equation("a", "x", "unstructured"), equation("b", "x", "unstructured")),
  lmer(y ~ x + (x | a) + (x | a:b), d, REML = REML, control = tight_lmer))

panel <- expand.grid(t = 1:5, c = 1:4, s = 1:12)
set.seed(18)
panel$x <- round(rnorm(240), 3)
panel$e <- unlist(lapply(1:48, function(j) as.numeric(arima.sim(list(ar = 0.5), 5))))
panel$y <- with(panel, round(1 + x + rnorm(12)[s] + 0.6 * rnorm(48)[code(s, c)] + e, 3))
panel <- panel[runif(240) < 0.8, ]
add("three-levels-ar1", "panel", "y", "x", list(equation("s"), equation("c")),
  lme(y ~ x, d, ~ 1 | s / c, correlation = corAR1(form = ~ t | s / c), method = M,
    control = tight),
  residuals = residuals_of("ar", time = "t"))
add("variance-by-time", "panel", "y", "x", list(equation("s"), equation("c")),
  lme(y ~ x, d, ~ 1 | s / c, weights = varIdent(form = ~ 1 | t), method = M,
    control = tight),
  residuals = residuals_of("independent", by = "t"))

version <- function(package) unbox(as.character(packageVersion(package)))
write(toJSON(list(
  R = unbox(R.version.string), nlme = version("nlme"), lme4 = version("lme4"),
  glmmTMB = version("glmmTMB"), data = data_sets, cases = cases
), digits = 13, na = "null", null = "null"), file.path(here, "packages.json"))
