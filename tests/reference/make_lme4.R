# Writes lme4.json, the reference fits that the test suite compares with.
#
#   Rscript make_lme4.R [directory of the bundled CSV files]
#
# The manual's data sets are read from XMIXED_DATA (default: ../shared/data,
# relative to the repository).  Only this script needs R; the suite reads the JSON.

suppressPackageStartupMessages({
  library(lme4)
  library(jsonlite)
})
options(digits = 15, warn = 1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
repository <- normalizePath(file.path(here, "..", ".."))
for (part in c(
  "model", "data", "cases", "optimum", "structures", "lme4", "dense", "nlme", "report"
)) {
  source(file.path(here, "r", paste0(part, ".R")))
}

given <- commandArgs(TRUE)
folders <- list(
  bundled = if (length(given)) {
    given[1]
  } else {
    file.path(repository, "sklearn_xmixed", "datasets", "data")
  },
  manual = Sys.getenv("XMIXED_DATA", file.path(repository, "..", "shared", "data"))
)

stored <- stored_data()
cases <- reference_cases()
stopifnot(!anyDuplicated(vapply(cases, function(m) m$id, "")))

results <- lapply(cases, function(model) {
  frame <- model_frame(model, folders, stored)
  fit <- if (is.null(model$residuals)) fit_lme4(model, frame) else fit_dense(model, frame)
  checks <- check_fit(model, frame, fit)
  message(sprintf(
    "%-36s %s %19.12f  %s", model$id, model$method, fit$log_likelihood,
    paste(names(checks), formatC(unlist(checks), format = "e", digits = 1),
      sep = " ", collapse = "  "
    )
  ))
  report_case(model, frame, fit, checks)
})

versions <- function(...) {
  sapply(c(...), function(p) as.character(packageVersion(p)), simplify = FALSE)
}
document <- list(
  generator = "make_lme4.R",
  r_version = paste(R.version$major, R.version$minor, sep = "."),
  packages = versions("lme4", "nlme", "Matrix", "minqa", "jsonlite"),
  data = lapply(stored, function(d) lapply(d, I)),
  cases = results
)
writeLines(
  toJSON(document, digits = I(15), auto_unbox = TRUE, null = "null", na = "null"),
  file.path(here, "lme4.json")
)
message(length(cases), " cases written")
