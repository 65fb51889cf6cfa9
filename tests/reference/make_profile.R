# Writes profile.json: intervals by lme4 (maximum likelihood), from the profile
# likelihood of all parameters and Wald's of the coefficients.
#
#   Rscript make_profile.R [directory of the bundled CSV files]

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

rows <- function(found) {
  setNames(lapply(split(found, row(found)), as.numeric), rownames(found))
}

case <- function(name, formula) {
  frame <- read.csv(file.path(folder, paste0(name, ".csv")))
  fit <- lmer(formula, frame, REML = FALSE, control = lmerControl(
    optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9)
  ))
  found <- confint(profile(fit, signames = FALSE, delta.cutoff = 1 / 16))
  wald <- confint(fit, parm = "beta_", method = "Wald")
  list(
    data = name, formula = format(formula),
    intervals = rows(found), wald = rows(wald)
  )
}

document <- list(
  generator = "make_profile.R",
  r_version = paste(R.version$major, R.version$minor, sep = "."),
  packages = list(lme4 = as.character(packageVersion("lme4"))),
  cases = list(
    case("sleepstudy", reaction ~ days + (days | subject)),
    case("penicillin", diameter ~ 1 + (1 | plate) + (1 | sample)),
    case("pastes", strength ~ 1 + (1 | batch / cask))
  )
)
write(
  toJSON(document, digits = 10, auto_unbox = TRUE),
  file.path(here, "profile.json")
)
