# Writes profile.json: profile-likelihood intervals by lme4 (maximum likelihood).
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

case <- function(name, formula) {
  frame <- read.csv(file.path(folder, paste0(name, ".csv")))
  fit <- lmer(formula, frame, REML = FALSE)
  found <- confint(profile(fit, signames = FALSE, delta.cutoff = 1 / 16))
  list(
    data = name, formula = format(formula),
    intervals = lapply(split(found, row(found)), as.numeric) |>
      setNames(rownames(found))
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
