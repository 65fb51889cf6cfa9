# Writes cluster_robust.json: cluster-robust standard errors with small-sample corrections,
# degrees of freedom and joint tests.
#
#   Rscript make_cluster_robust.R
#
# Generalised least squares by REML alone: under ML vcov() of nlme's gls is N / (N - p) times
# (X'V^-1 X)^-1, and clubSandwich's standard errors with it.
#
# Fits by nlme and lme4 to the bundled data, some of their rows left out; vcovCR(),
# coef_test() and Wald_test() are clubSandwich's own.  Only this script needs R; the suite
# reads the JSON.

suppressPackageStartupMessages({
  library(nlme)
  library(lme4)
  library(clubSandwich)
  library(jsonlite)
})
options(digits = 15, warn = 1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
folder <- file.path(here, "..", "..", "sklearn_xmixed", "datasets", "data")

# every case: data, every how manieth row is left out (0 for none), derived columns as
# text that R and Python's pandas both understand, the fit, the variable of clusters
read <- function(name, drop, derive) {
  frame <- read.csv(file.path(folder, paste0(name, ".csv")))
  if (drop > 0) frame <- frame[seq_len(nrow(frame)) %% drop != 0, ]
  for (d in names(derive)) frame[[d]] <- eval(parse(text = derive[[d]]), frame)
  frame
}
lmer_tight <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5),
  calc.derivs = FALSE
)
lme_tight <- lmeControl(
  opt = "nlminb", msMaxIter = 1000, msMaxEval = 5000, tolerance = 1e-12,
  msTol = 1e-14, niterEM = 50, maxIter = 500
)
gls_tight <- glsControl(
  opt = "nlminb", msMaxIter = 1000, tolerance = 1e-12, msTol = 1e-14, maxIter = 500
)
lmer_fit <- function(formula) function(d, reml) {
  lmer(formula, d, REML = reml, control = lmer_tight)
}
lme_fit <- function(fixed, random, correlation = NULL) function(d, reml) {
  eval(bquote(lme(
    .(fixed), data = d, random = .(random), correlation = .(correlation),
    method = .(if (reml) "REML" else "ML"), control = lme_tight
  )))
}
gls_fit <- function(model, correlation = NULL, weights = NULL) function(d, reml) {
  eval(bquote(gls(
    .(model), data = d, correlation = .(correlation), weights = .(weights),
    method = .(if (reml) "REML" else "ML"), control = gls_tight
  )))
}

one <- list(male = "1 * (sex == 'Male')", grown = "male * age", visit = "(age - 8) / 2")
goods <- gsp ~ private + emp + unemp
cases <- list(
  list("slope", "sleepstudy", 7, list(), TRUE, "subject",
       lmer_fit(reaction ~ days + (days | subject))),
  list("slope-ml", "sleepstudy", 7, list(), FALSE, "subject",
       lmer_fit(reaction ~ days + (days | subject))),
  list("two-variances", "sleepstudy", 4, list(square = "days * days"), TRUE, "subject",
       lmer_fit(reaction ~ days + square + (days || subject))),
  list("growth", "orthodont", 5, one, TRUE, "subject",
       lmer_fit(distance ~ male + age + grown + (1 | subject))),
  list("three-levels", "productivity", 6, list(), TRUE, "region",
       lmer_fit(gsp ~ private + emp + unemp + (1 | region / state))),
  list("three-levels-ml", "productivity", 6, list(), FALSE, "region",
       lmer_fit(gsp ~ private + emp + unemp + (1 | region / state))),
  list("above", "productivity", 0, list(), FALSE, "region",
       lmer_fit(gsp ~ private + emp + unemp + (1 | state))),
  list("above-slopes", "productivity", 7, list(), TRUE, "region",
       lmer_fit(gsp ~ private + emp + unemp + (unemp || state))),
  list("lme-growth", "orthodont", 5, one, TRUE, "subject",
       lme_fit(distance ~ male + age + grown, ~ age | subject)),
  list("lme-growth-ml", "orthodont", 7, one, FALSE, "subject",
       lme_fit(distance ~ male + age + grown, ~ 1 | subject)),
  list("lme-ar", "sleepstudy", 7, list(), TRUE, "subject",
       lme_fit(reaction ~ days, ~ 1 | subject, quote(corAR1(form = ~ days | subject)))),
  list("lme-three-levels", "productivity", 0, list(), TRUE, "region",
       lme_fit(goods, quote(list(region = ~1, state = ~1)))),
  list("gls-ar", "orthodont", 7, one, TRUE, "subject",
       gls_fit(distance ~ male + age + grown, quote(corAR1(form = ~ visit | subject)))),
  list("gls-ovary", "ovary", 0,
       list(s = "sin(6.283185307179586 * stime)", c = "cos(6.283185307179586 * stime)"), TRUE, "mare",
       gls_fit(follicles ~ s + c, quote(corAR1(form = ~ time | mare)))),
  list("gls-exchangeable", "orthodont", 7, one, TRUE, "subject",
       gls_fit(distance ~ male + age + grown, quote(corCompSymm(form = ~ 1 | subject)))),
  list("gls-unstructured", "orthodont", 11, one, TRUE, "subject",
       gls_fit(distance ~ male + age + grown,
               quote(corSymm(form = ~ (visit + 1) | subject)),
               quote(varIdent(form = ~ 1 | visit)))),
  list("gls-by", "orthodont", 5, one, TRUE, "subject",
       gls_fit(distance ~ male + age + grown, NULL,
               quote(varIdent(form = ~ 1 | sex)))),
  list("linear", "productivity", 6, list(), TRUE, "region", gls_fit(goods))
)

last <- function(x) c(x[-1], x[1])  # the constant
answer <- function(case) {
  names(case) <- c("id", "data", "drop", "derive", "reml", "cluster", "fit")
  d <<- read(case$data, case$drop, case$derive)
  fit <- case$fit(d, case$reml)
  cluster <- d[[case$cluster]]
  beta <- if (inherits(fit, "gls")) coef(fit) else fixef(fit)
  p <- length(beta)
  kinds <- c("CR0", "CR1", "CR1S", "CR2", "CR3")
  answers <- lapply(setNames(nm = kinds), function(type) {
    V <- vcovCR(fit, cluster = cluster, type = type)
    t <- coef_test(fit, vcov = V, test = "Satterthwaite")
    joint <- lapply(unique(c(min(2, p - 1), p - 1)), function(k) {
      C <- diag(p)[seq_len(k) + 1, , drop = FALSE]
      w <- Wald_test(fit, constraints = C, vcov = V, test = "HTZ")
      list(rows = k, f = w$Fstat, df = w$df_denom)
    })
    list(
      std_error = last(sqrt(diag(as.matrix(V)))),
      df = last(if (is.null(t$df_Satt)) t$df else t$df_Satt), joint = joint
    )
  })
  message(sprintf("%-18s %2d clusters", case$id, length(unique(cluster))))
  list(
    id = case$id, data = case$data, drop = case$drop, derive = case$derive,
    method = if (case$reml) "reml" else "ml", cluster = case$cluster,
    names = I(last(names(beta))), coef = I(unname(last(beta))),
    log_likelihood = as.numeric(logLik(fit)), answers = answers
  )
}

versions <- sapply(
  c("clubSandwich", "nlme", "lme4", "jsonlite"),
  function(p) as.character(packageVersion(p)), simplify = FALSE
)
document <- list(
  generator = "make_cluster_robust.R",
  r_version = paste(R.version$major, R.version$minor, sep = "."),
  packages = versions,
  cases = lapply(cases, answer)
)
writeLines(
  toJSON(document, digits = I(12), auto_unbox = TRUE, null = "null", na = "null"),
  file.path(here, "cluster_robust.json")
)
