# Writes anova.json: what test_anova.py compares with.
#
#   Rscript make_anova.R
#
# Tests of terms of types I, II and III by lmerTest (Satterthwaite) of REML fits by
# lme4, on made-up unbalanced data that are stored with them.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(splines)
  library(jsonlite)
})
options(digits = 15, warn = 1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
control <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e5),
  check.conv.singular = "ignore"
)

# ------------------------------------------------------------------------------ data

set.seed(1)
made <- function(n_groups, sizes) {
  rows <- rep(seq_len(n_groups), sample(sizes, n_groups, replace = TRUE))
  n <- length(rows)
  frame <- data.frame(
    g = rows,
    k = sample(1:9, n, replace = TRUE),
    a = sample(c("low", "mid", "top"), n, replace = TRUE, prob = c(5, 3, 2)),
    b = sample(c("p", "q", "r", "s"), n, replace = TRUE, prob = c(4, 3, 2, 1)),
    c = sample(c("no", "yes"), n, replace = TRUE, prob = c(2, 1)),
    x = round(rnorm(n), 3), z = round(runif(n, 0, 10), 3)
  )
  mean <- 2 + 0.7 * (frame$a == "mid") - 0.5 * (frame$b == "r") +
    0.9 * (frame$a == "top") * (frame$b == "q") + 0.4 * frame$x * (frame$c == "yes") +
    sin(frame$z / 2)
  frame$y <- round(mean + rnorm(n_groups)[rows] + rnorm(9, 0, 0.5)[frame$k] +
    rnorm(n, 0, 0.8), 4)
  frame
}
full <- made(36, 3:9)
few <- made(15, 3:7)
stopifnot(all(table(full$a, full$b, full$c) > 0), all(table(few$a, few$b) > 0))
# cells without rows: away from the first levels, and the first of all
corner <- subset(full, !(a == "top" & b == "s") & !(a == "mid" & b == "r"))
origin <- subset(full, !(a == "low" & b == "p") & !(a == "mid" & b == "s"))
# inner levels of a nested factor have their own names
nested <- transform(full, b = paste0(a, substr(b, 1, 1)))
data <- list(full = full, few = few, corner = corner, origin = origin, nested = nested)

# ----------------------------------------------------------------------------- tests

case <- function(id, data_name, formula, coding = "contr.treatment") {
  frame <- data[[data_name]]
  for (name in c("a", "b", "c")) frame[[name]] <- factor(frame[[name]])
  options(contrasts = c(coding, "contr.poly"))
  fit <- lmerTest::lmer(as.formula(formula), frame, REML = TRUE, control = control)
  tests <- lapply(1:3, function(type) {
    table <- suppressMessages(anova(fit, type = type, ddf = "Satterthwaite"))
    lapply(setNames(rownames(table), gsub(" ", "", rownames(table))), function(term) {
      row <- table[term, ]
      list(
        f_value = row[["F value"]], df = row[["NumDF"]], df_denom = row[["DenDF"]],
        p_value = row[["Pr(>F)"]]
      )
    })
  })
  list(
    id = id, data = data_name, formula = formula, coding = coding,
    reml_criterion = as.numeric(REMLcrit(fit)),
    tests = setNames(tests, paste0("type", 1:3))
  )
}

cases <- list(
  case("two factors", "full", "y ~ a * b + (1 | g)"),
  case("two factors, few rows", "few", "y ~ a * b + (1 | g)"),
  case("two factors, sums", "few", "y ~ a * b + (1 | g)", "contr.sum"),
  case("additive", "full", "y ~ a + b + x + (1 | g)"),
  case("factor and covariate", "full", "y ~ a * x + b + (1 | g)"),
  case("covariate's slopes alone", "full", "y ~ a + a:x + (1 | g)"),
  case("three factors", "full", "y ~ a * b * c + (1 | g)"),
  case("three factors, pairs", "few", "y ~ a * b + b * c + a * c + (1 | g)"),
  case("factors and two covariates", "full", "y ~ a * c * x + x * z + (1 | g)"),
  case("empty cells", "corner", "y ~ a * b + (1 | g)"),
  case("empty cells, sums", "corner", "y ~ a * b + (1 | g)", "contr.sum"),
  case("empty cells at the base", "origin", "y ~ a * b + x + (1 | g)"),
  case("polynomial", "full", "y ~ a * poly(z, 2) + (1 | g)"),
  case("powers", "full", "y ~ a * x + a * I(x^2) + (1 | g)"),
  case("spline", "full", "y ~ bs(z, df = 4) * c + a + (1 | g)"),
  case("nested factor", "full", "y ~ a / b + (1 | g)"),
  case("nested factor, own names", "nested", "y ~ a / b + (1 | g)"),
  case("random slopes", "full", "y ~ a * x + (1 + x | g)"),
  case("crossed", "full", "y ~ a * b + x + (1 | g) + (1 | k)"),
  case("interaction alone", "full", "y ~ a:b + x + (1 | g)"),
  case("no constant", "full", "y ~ 0 + a + b + x + (1 | g)")
)

versions <- list(R = R.version.string)
for (name in c("lme4", "lmerTest", "splines", "jsonlite")) {
  versions[[name]] <- as.character(packageVersion(name))
}
write_json(
  list(versions = versions, data = data, cases = cases),
  file.path(here, "anova.json"),
  auto_unbox = TRUE, digits = 12, dataframe = "columns", null = "null"
)
