# Writes variances.json: residual variances by category or covariate, ARMA(1,1) and
# correlations by distance, as nlme fits them; test_variances.py compares with it.
#
#   Rscript make_variances.R
#
# Simulated data are stored with the fits; the others are the package's own.  The suite
# reads the JSON alone.

suppressPackageStartupMessages({
  library(nlme)
  library(jsonlite)
})
options(digits = 15, warn = 1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
bundled <- file.path(here, "..", "..", "sklearn_xmixed", "datasets", "data")

orthodont <- read.csv(file.path(bundled, "orthodont.csv"))
orthodont$t <- (orthodont$age - 8) / 2 + 1
orthodont$male <- as.numeric(orthodont$sex == "Male")
ovary <- read.csv(file.path(bundled, "ovary.csv"))
ovary$sin1 <- sin(2 * pi * ovary$stime)
ovary$cos1 <- cos(2 * pi * ovary$stime)

# weights of animals: variances that grow, visits that are missed
set.seed(1)
weight <- expand.grid(visit = 1:6, id = 1:40)
weight$x <- round(exp(0.3 * weight$visit + rnorm(nrow(weight), sd = 0.2)), 4)
e <- unlist(lapply(1:40, function(i) as.numeric(arima.sim(list(ar = 0.6, ma = 0.3), 6))))
weight$arm <- weight$id %% 2
weight$y <- round(10 + 2 * weight$visit + weight$arm + weight$x^0.7 * e, 5)
weight <- weight[runif(nrow(weight)) > 0.15, ]

# yields of plots at places of fields
set.seed(2)
plots <- do.call(rbind, lapply(1:25, function(g) {
  place <- cbind(runif(10, 0, 5), runif(10, 0, 5))
  d <- as.matrix(dist(place))
  z <- rnorm(10)
  e <- drop(t(chol(exp(-(d / 1.5)^2) + 1e-8 * diag(10))) %*% rnorm(10))
  f <- drop(t(chol(exp(-d / 2))) %*% rnorm(10))
  data.frame(field = g, east = place[, 1], north = place[, 2], z = z, e, f)
}))
plots <- round(plots, 5)
plots$smooth <- round(3 + 0.5 * plots$z + plots$e, 6)
plots$rough <- round(3 + 0.5 * plots$z + exp(0.4 * plots$z) * plots$f, 6)

data <- list(orthodont = orthodont, ovary = ovary, weight = weight, plots = plots)

arguments <- function(case) {
  out <- list(
    as.formula(paste(case$y, "~", paste(case$fixed, collapse = " + "))),
    data = data[[case$data]], method = toupper(case$method)
  )
  out$correlation <- case$correlation
  out$weights <- case$weights
  out
}

fit <- function(case) {
  if (is.null(case$random)) {
    control <- glsControl(
      maxIter = 1000, msMaxIter = 5000, tolerance = 1e-13, msTol = 1e-15, returnObject = TRUE
    )
    return(do.call(gls, c(arguments(case), list(control = control))))
  }
  control <- lmeControl(
    maxIter = 1000, msMaxIter = 5000, msMaxEval = 10000, niterEM = 200, tolerance = 1e-13,
    msTol = 1e-15, returnObject = TRUE
  )
  random <- setNames(list(pdIdent(~1)), case$random)
  do.call(lme, c(arguments(case), list(random = random, control = control)))
}

ortho <- list(data = "orthodont", y = "distance", fixed = c("age", "male"))
eggs <- list(data = "ovary", y = "follicles", fixed = c("sin1", "cos1"))
animals <- list(data = "weight", y = "y", fixed = c("visit", "arm"))
smooth <- list(data = "plots", y = "smooth", fixed = list("z"))
rough <- list(data = "plots", y = "rough", fixed = list("z"))
case <- function(id, base, residuals, ..., method = "reml") {
  c(list(id = id, residuals = residuals, method = method), base, list(...))
}
group <- c(orthodont = "subject", ovary = "mare", weight = "id", plots = "field")

cases <- list(
  case("arh", ortho, list(structure = "ar", time = "t", variance = "age"),
    correlation = corAR1(form = ~ t | subject), weights = varIdent(form = ~ 1 | age)),
  case("csh", ortho, list(structure = "exchangeable", variance = "age"),
    correlation = corCompSymm(form = ~ 1 | subject), weights = varIdent(form = ~ 1 | age)),
  case("symmetric-by-sex", ortho, list(structure = "unstructured", time = "t", variance = "sex"),
    correlation = corSymm(form = ~ t | subject), weights = varIdent(form = ~ 1 | sex)),
  case("unstructured", ortho, list(structure = "unstructured", time = "t", variance = "t"),
    correlation = corSymm(form = ~ t | subject), weights = varIdent(form = ~ 1 | t)),
  case("intercept-by-sex", ortho, list(structure = "independent", variance = "sex"),
    weights = varIdent(form = ~ 1 | sex), random = "subject"),
  case("intercept-power", ortho, list(structure = "independent", power = "age"),
    weights = varPower(form = ~age), random = "subject", method = "ml"),
  case("intercept-exponential", ortho, list(structure = "independent", exponential = "age"),
    weights = varExp(form = ~age), random = "subject"),
  case("ovary-arma", eggs, list(structure = "arma", time = "time"),
    correlation = corARMA(c(0.5, 0.1), form = ~ time | mare, p = 1, q = 1)),
  case("ovary-intercept-arma", eggs, list(structure = "arma", time = "time"),
    correlation = corARMA(c(0.5, 0.1), form = ~ time | mare, p = 1, q = 1),
    random = "mare", method = "ml"),
  case("arma-by-visit", animals, list(structure = "arma", time = "visit", variance = "visit"),
    correlation = corARMA(c(0.5, 0.1), form = ~ visit | id, p = 1, q = 1),
    weights = varIdent(form = ~ 1 | visit)),
  case("ar-power", animals, list(structure = "ar", time = "visit", power = "x"),
    correlation = corAR1(0.5, form = ~ visit | id), weights = varPower(form = ~x)),
  case("ar2-by-visit", animals, list(structure = "ar", order = 2, time = "visit", variance = "visit"),
    correlation = corARMA(form = ~ visit | id, p = 2), weights = varIdent(form = ~ 1 | visit),
    method = "ml"),
  case("symmetric-power", animals, list(structure = "unstructured", time = "visit", power = "x"),
    correlation = corSymm(form = ~ visit | id), weights = varPower(form = ~x)),
  case("continuous-by-visit", animals,
    list(structure = "exponential", time = "visit", variance = "visit"),
    correlation = corCAR1(0.5, form = ~ visit | id), weights = varIdent(form = ~ 1 | visit)),
  case("gaussian", smooth, list(structure = "gaussian", time = c("east", "north")),
    correlation = corGaus(1, form = ~ east + north | field)),
  case("gaussian-line", animals, list(structure = "gaussian", time = "visit"),
    correlation = corGaus(1, form = ~ visit | id), method = "ml"),
  case("exponential-places", rough, list(structure = "exponential", time = c("east", "north")),
    correlation = corExp(1, form = ~ east + north | field)),
  case("exponential-places-exponential", rough,
    list(structure = "exponential", time = c("east", "north"), exponential = "z"),
    correlation = corExp(1, form = ~ east + north | field), weights = varExp(form = ~z))
)

results <- lapply(cases, function(case) {
  found <- fit(case)
  cor <- found$modelStruct$corStruct
  var <- found$modelStruct$varStruct
  plain <- list()
  if (!is.null(cor)) plain$correlation <- as.numeric(coef(cor, unconstrained = FALSE))
  if (!is.null(var)) {
    all <- coef(var, unconstrained = FALSE, allCoef = TRUE)
    plain$variance <- if (inherits(var, "varIdent")) as.list(all) else as.numeric(all)
  }
  beta <- if (inherits(found, "lme")) fixef(found) else coef(found)
  list(
    id = case$id, data = case$data, y = case$y, fixed = case$fixed, method = case$method,
    residuals = case$residuals, group = group[[case$data]], intercept = !is.null(case$random),
    log_likelihood = as.numeric(logLik(found)), sigma = found$sigma,
    correlation = plain$correlation, variance = plain$variance,
    random_sd = if (is.null(case$random)) NULL else as.numeric(VarCorr(found)[1, 2]),
    coefficients = unname(beta)
  )
})

write(
  toJSON(
    list(
      made_with = list(R = R.version.string, nlme = as.character(packageVersion("nlme"))),
      data = list(weight = as.list(weight), plots = as.list(plots[, c(
        "field", "east", "north", "z", "smooth", "rough"
      )])),
      cases = results
    ),
    auto_unbox = TRUE, digits = NA, null = "null", pretty = FALSE
  ),
  file.path(here, "variances.json")
)
