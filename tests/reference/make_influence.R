# Writes influence.json: lme4 fits with every subject really left out.
#
#   Rscript make_influence.R [directory of the bundled CSV files]
#
# `cooks_distance` is lme4's cooks.distance() of influence(fit, "subject"); with M units
# and p coefficients it is (M - p) / M times that by definition.

suppressPackageStartupMessages({
  library(lme4)
  library(jsonlite)
})
here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
given <- commandArgs(TRUE)
folder <- if (length(given)) given[1] else {
  file.path(here, "..", "..", "sklearn_xmixed", "datasets", "data")
}

case <- function(name, formula, method) {
  frame <- read.csv(file.path(folder, paste0(name, ".csv")))
  frame$subject <- factor(frame$subject)
  control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
  # influence() evaluates the call again elsewhere
  fit <- eval(bquote(lmer(
    .(formula), frame, REML = .(method == "reml"), control = .(control)
  )))
  left_out <- lapply(levels(frame$subject), function(s) {
    other <- update(fit, data = frame[frame$subject != s, ])
    list(
      coef = unname(fixef(other)),
      variances = as.data.frame(VarCorr(other))$vcov
    )
  })
  found <- influence(fit, "subject", data = frame)
  list(
    data = name, formula = format(formula), method = method,
    subjects = levels(frame$subject),
    coef = t(sapply(left_out, function(x) x$coef)),
    variances = t(sapply(left_out, function(x) x$variances)),
    cooks_distance = unname(
      cooks.distance(found)[match(levels(frame$subject), as.character(found$deleted))]
    )
  )
}

document <- list(
  generator = "make_influence.R",
  r_version = paste(R.version$major, R.version$minor, sep = "."),
  packages = list(lme4 = as.character(packageVersion("lme4"))),
  cases = list(
    case("sleepstudy", reaction ~ days + (days | subject), "reml"),
    case("orthodont", distance ~ age + sex + (1 | subject), "ml")
  )
)
write(
  toJSON(document, digits = 10, auto_unbox = TRUE, pretty = FALSE),
  file.path(here, "influence.json")
)
