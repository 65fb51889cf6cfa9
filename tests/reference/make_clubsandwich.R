# Writes clubsandwich.json: cluster-robust covariance matrices of fixed effects.
#
#   Rscript make_clubsandwich.R
#
# Models and data are cases of make_lme4.R, fitted as tightly as there; vcovCR() is
# clubSandwich's own.  Only this script needs R; the suite reads the JSON.

suppressPackageStartupMessages({
  library(lme4)
  library(clubSandwich)
  library(jsonlite)
})
options(digits = 15, warn = 1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
for (part in c("model", "data", "cases", "optimum", "structures", "lme4")) {
  source(file.path(here, "r", paste0(part, ".R")))
}
folders <- list(
  bundled = file.path(here, "..", "..", "sklearn_xmixed", "datasets", "data")
)

wanted <- c("sleepstudy-unstructured-ml", "productivity-ml", "pastes-ml")
cases <- reference_cases()
names(cases) <- vapply(cases, function(m) m$id, "")
stopifnot(wanted %in% names(cases))

results <- lapply(unname(cases[wanted]), function(model) {
  frame <- model_frame(model, folders, list())
  fit <- fit_lme4(model, frame)
  top <- frame[[path_name(model$random[[1]]$path)]]
  cr0 <- vcovCR(fit$object, cluster = top, type = "CR0")
  message(sprintf("%-28s slope left %.1e", model$id, fit$optimum$gradient))
  list(
    id = model$id, formula = fit$formula, cluster = model$random[[1]]$group,
    n_clusters = nlevels(top), gradient = fit$optimum$gradient,
    coef = fit$beta, cr0 = constant_last(as.matrix(cr0))
  )
})

versions <- function(...) {
  sapply(c(...), function(p) as.character(packageVersion(p)), simplify = FALSE)
}
document <- list(
  generator = "make_clubsandwich.R",
  r_version = paste(R.version$major, R.version$minor, sep = "."),
  packages = versions("clubSandwich", "lme4", "Matrix", "minqa", "jsonlite"),
  cases = results
)
writeLines(
  toJSON(document, digits = I(15), auto_unbox = TRUE, null = "null", na = "null"),
  file.path(here, "clubsandwich.json")
)
