# Writes nlme.json, fits with structured residuals that test_nlme.py compares with.
#
#   Rscript make_nlme.R
#
# The manual's data sets are read from XMIXED_DATA (default: ../shared/data, relative to
# the repository), the others from the package.  The suite reads the JSON alone.
#
# gls() and lme() are run with tight tolerances.  Their coefficients, log likelihoods and
# (co)variance parameters are stored in the terms of the manual; vcov() of fits by
# maximum likelihood is taken back to the divisor n: theirs carries n / (n - p) in gls().
# Of fits by maximum likelihood clubSandwich's CR0 is stored too, clustered at the top level.

suppressPackageStartupMessages({
  library(nlme)
  library(clubSandwich)
  library(jsonlite)
})
options(digits = 15, warn = 1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
repository <- normalizePath(file.path(here, "..", ".."))
manual <- Sys.getenv("XMIXED_DATA", file.path(repository, "..", "shared", "data"))
bundled <- file.path(repository, "sklearn_xmixed", "datasets", "data")

read <- function(name) {
  folder <- if (file.exists(file.path(bundled, paste0(name, ".csv")))) bundled else manual
  frame <- read.csv(file.path(folder, paste0(name, ".csv")))
  if (name == "orthodont") {
    frame$t <- (frame$age - 8) / 2 + 1
    frame$male <- as.numeric(frame$sex == "Male")
  }
  if (name == "exercise") {
    frame <- frame[frame$day %in% c(0, 4, 6, 8, 12) & !is.na(frame$strength), ]
    frame$group <- as.numeric(frame$program == 2)
    frame$slope <- frame$group * frame$day
  }
  if (name == "ovary") {
    frame <- frame[!(frame$time %in% c(5, 6, 13)), ] # gaps
    frame$sin1 <- sin(2 * pi * frame$stime)
    frame$cos1 <- cos(2 * pi * frame$stime)
  }
  frame
}

lme_control <- lmeControl(
  maxIter = 1000, msMaxIter = 5000, msMaxEval = 10000, niterEM = 200, tolerance = 1e-13,
  msTol = 1e-15, returnObject = TRUE
)
gls_control <- glsControl(
  maxIter = 1000, msMaxIter = 5000, tolerance = 1e-13, msTol = 1e-15, returnObject = TRUE
)

# Parameters of a fit in the terms of the manual, as standard deviations and such.
residual_terms <- function(fit, case) {
  sigma <- fit$sigma
  cor <- fit$modelStruct$corStruct
  value <- if (is.null(cor)) NULL else coef(cor, unconstrained = FALSE)
  s <- case$residuals$structure
  if (s == "ar") {
    p <- length(value)
    names(value) <- if (p == 1) "rho" else paste0("phi", seq_len(p))
    return(c(as.list(value), list("sd(e)" = sigma)))
  }
  if (s == "ma") {
    names(value) <- paste0("theta", seq_along(value))
    return(c(as.list(value), list("sd(e)" = sigma)))
  }
  if (s == "exponential") return(list(rho = unname(value), "sd(e)" = sigma))
  if (s == "exchangeable") return(list("sd(e)" = sigma, "corr(e)" = unname(value)))
  ratio <- coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)
  if (s == "independent") {
    return(as.list(setNames(sigma * ratio, paste0(names(ratio), ": sd(e)"))))
  }
  # unstructured: correlations of corSymm run down the columns of the lower triangle
  times <- sort(as.numeric(names(ratio)))
  out <- as.list(setNames(
    sigma * ratio[as.character(times)], paste0("sd(e", times, ")")
  ))
  k <- 0
  for (j in seq_along(times)) for (i in seq_along(times)) if (i > j) {
    k <- k + 1
    out[[sprintf("corr(e%g,e%g)", times[j], times[i])]] <- unname(value)[k]
  }
  out
}

effect_sds <- function(fit) {
  lapply(as.list(fit$modelStruct$reStruct), function(block) {
    matrix <- as.matrix(block) * fit$sigma^2
    names <- sub("(Intercept)", "_cons", rownames(matrix), fixed = TRUE)
    as.list(setNames(sqrt(diag(matrix)), names))
  })
}

case <- function(id, data, fixed, response, method, residuals, random = NULL,
                 equations, correlation = NULL, weights = NULL) {
  list(
    id = id, data = data, fixed = fixed, response = response, method = method,
    residuals = residuals, random = random, equations = equations,
    correlation = correlation, weights = weights
  )
}
# Cluster-robust covariance matrix of the fixed effects, in the given order.
# Its bread of a gls() fit carries n / (n - p), squared in the sandwich.
robust <- function(fit, frame, case, order) {
  if (case$method != "ML") return(NULL)
  cluster <- factor(frame[[case$equations[[1]]$group]])
  cr0 <- as.matrix(vcovCR(fit, cluster = cluster, type = "CR0"))
  if (inherits(fit, "gls")) cr0 <- cr0 * (1 - length(order) / nrow(frame))^2
  list(n_clusters = nlevels(cluster), cr0 = unname(cr0[order, order]))
}

groups <- function(...) lapply(c(...), function(g) list(group = g))
empty <- function(g) list(list(group = g, intercept = FALSE))
res <- function(structure, ...) list(structure = structure, ...)
ident <- function(form) varIdent(form = form)

rows <- NULL
economy <- c("private", "emp", "hwy", "water", "other", "unemp")
cases <- list(
  case("orthodont-ar1-reml", "orthodont", c("age", "male"), "distance", "REML",
    res("ar", order = 1, time = "t"), ~ 1 | subject, groups("subject"),
    corAR1(form = ~ t | subject)),
  case("orthodont-unstructured-ml", "orthodont", c("age", "male"), "distance", "ML",
    res("unstructured", time = "t"), NULL, empty("subject"),
    corSymm(form = ~ t | subject), ident(~ 1 | t)),
  case("orthodont-unstructured-reml", "orthodont", c("age", "male"), "distance", "REML",
    res("unstructured", time = "t"), NULL, empty("subject"),
    corSymm(form = ~ t | subject), ident(~ 1 | t)),
  case("orthodont-exchangeable-ml", "orthodont", c("age", "male"), "distance", "ML",
    res("exchangeable"), NULL, empty("subject"), corCompSymm(form = ~ 1 | subject)),
  case("orthodont-ma1-ml", "orthodont", c("age", "male"), "distance", "ML",
    res("ma", order = 1, time = "t"), NULL, empty("subject"),
    corARMA(form = ~ t | subject, q = 1)),
  case("orthodont-by-sex-reml", "orthodont", c("age", "male"), "distance", "REML",
    res("independent", by = "sex"), ~ 1 | subject, groups("subject"), NULL,
    ident(~ 1 | sex)),
  case("ovary-ar1-ml", "ovary", c("sin1", "cos1"), "follicles", "ML",
    res("ar", time = "time"), ~ 1 | mare, groups("mare"), corAR1(form = ~ time | mare)),
  case("ovary-ar2-reml", "ovary", c("sin1", "cos1"), "follicles", "REML",
    res("ar", order = 2, time = "time"), ~ 1 | mare, groups("mare"),
    corARMA(form = ~ time | mare, p = 2)),
  case("ovary-ar3-ml", "ovary", c("sin1", "cos1"), "follicles", "ML",
    res("ar", order = 3, time = "time"), NULL, empty("mare"),
    corARMA(form = ~ time | mare, p = 3)),
  case("ovary-ma2-ml", "ovary", c("sin1", "cos1"), "follicles", "ML",
    res("ma", order = 2, time = "time"), ~ 1 | mare, groups("mare"),
    corARMA(form = ~ time | mare, q = 2)),
  case("exercise-exponential-ml", "exercise", c("group", "day", "slope"), "strength", "ML",
    res("exponential", time = "day"), NULL, empty("id"), corCAR1(form = ~ day | id)),
  case("exercise-unstructured-reml", "exercise", c("group", "day", "slope"), "strength",
    "REML", res("unstructured", time = "day"), NULL, empty("id"),
    corSymm(form = ~ position | id), ident(~ 1 | day)),
  case("childweight-exponential-ml", "childweight", c("age", "girl"), "weight", "ML",
    res("exponential", time = "age"), ~ 1 | id, groups("id"), corCAR1(form = ~ age | id)),
  case("sleepstudy-ar1-reml", "sleepstudy", "days", "reaction", "REML",
    res("ar", time = "days"), ~ 1 | subject, groups("subject"),
    corAR1(form = ~ days | subject)),
  case("sleepstudy-ma1-ml", "sleepstudy", "days", "reaction", "ML",
    res("ma", time = "days"), ~ 1 | subject, groups("subject"),
    corARMA(form = ~ days | subject, q = 1)),
  case("productivity-ar1-ml", "productivity", economy, "gsp", "ML",
    res("ar", time = "year"), ~ 1 | region / state, groups("region", "state"),
    corAR1(form = ~ year | region / state)),
  case("productivity-ar1-reml", "productivity", economy, "gsp", "REML",
    res("ar", time = "year"), ~ 1 | region / state, groups("region", "state"),
    corAR1(form = ~ year | region / state)),
  case("productivity-by-region-ml", "productivity", economy, "gsp", "ML",
    res("independent", by = "region"), ~ 1 | region / state, groups("region", "state"),
    NULL, ident(~ 1 | region)),
  case("productivity-ma1-ml", "productivity", economy, "gsp", "ML",
    res("ma", time = "year"), ~ 1 | region / state, groups("region", "state"),
    corARMA(form = ~ year | region / state, q = 1)),
  case("veneer-by-followup-reml", "veneer", c("followup", "base_gcf", "cda", "age"), "gcf",
    "REML", res("independent", by = "followup"), ~ 1 | patient / tooth,
    groups("patient", "tooth"), NULL, ident(~ 1 | followup))
)

results <- lapply(cases, function(case) {
  frame <- read(case$data)
  times <- case$residuals$time
  if (!is.null(times)) frame$position <- match(frame[[times]], sort(unique(frame[[times]])))
  lowest <- all.vars(if (is.null(case$random)) {
    formula(case$correlation)
  } else {
    case$random
  })
  if (!is.null(times)) {
    keys <- intersect(c("region", "state", "mare", "subject", "id"), names(frame))
    frame <- frame[do.call(order, c(unname(frame[keys]), list(frame[[times]]))), ]
  }
  rows <<- frame # by name: clubSandwich looks the data up among the global variables
  formula <- reformulate(case$fixed, case$response)
  arguments <- list(formula, quote(rows), method = case$method)
  arguments$correlation <- case$correlation
  arguments$weights <- case$weights
  mixed <- !is.null(case$random)
  fit <- if (mixed) {
    do.call(lme, c(arguments, list(random = case$random, control = lme_control)))
  } else {
    do.call(gls, c(arguments, list(control = gls_control)))
  }
  n <- nrow(frame)
  p <- length(case$fixed) + 1
  vcov <- if (mixed) fit$varFix else fit$varBeta
  if (!mixed && case$method == "ML") vcov <- vcov * (n - p) / n
  beta <- if (mixed) fixef(fit) else coef(fit)
  order <- c(case$fixed, "(Intercept)")
  message(sprintf("%-32s %18.10f", case$id, as.numeric(logLik(fit))))
  list(
    id = case$id, data = case$data, fixed = I(case$fixed), response = case$response,
    method = tolower(case$method), residuals = case$residuals, equations = case$equations,
    n_obs = n, log_likelihood = as.numeric(logLik(fit)), coef = unname(beta[order]),
    se = unname(sqrt(diag(vcov))[match(order, names(beta))]),
    residual = residual_terms(fit, case),
    effects = if (mixed) effect_sds(fit) else NULL,
    robust = robust(fit, frame, case, order)
  )
})

writeLines(
  toJSON(list(
    generator = "make_nlme.R", r_version = paste(R.version$major, R.version$minor, sep = "."),
    nlme = as.character(packageVersion("nlme")),
    clubSandwich = as.character(packageVersion("clubSandwich")), cases = results
  ), digits = I(12), auto_unbox = TRUE, null = "null", pretty = TRUE),
  file.path(here, "nlme.json")
)
