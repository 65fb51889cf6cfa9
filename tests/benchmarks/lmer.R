# Times lmer() on columns of raw doubles; prints one JSON object.
#
#   Rscript lmer.R --versions | directory with task.json, columns.json, 0.bin, ...

suppressPackageStartupMessages(library(jsonlite))
argument <- commandArgs(TRUE)[1]

if (argument == "--versions") {
  found <- list(
    R = paste(R.version$major, R.version$minor, sep = "."),
    BLAS = basename(extSoftVersion()[["BLAS"]])
  )
  if (requireNamespace("lme4", quietly = TRUE)) {
    found$lme4 <- as.character(packageVersion("lme4"))
  }
  cat(toJSON(found, auto_unbox = TRUE))
  quit()
}

suppressPackageStartupMessages(library(lme4))
task <- read_json(file.path(argument, "task.json"), simplifyVector = TRUE)
columns <- read_json(file.path(argument, "columns.json"), simplifyVector = TRUE)
frame <- as.data.frame(lapply(setNames(seq_along(columns$names), columns$names), function(k) {
  readBin(file.path(argument, paste0(k - 1, ".bin")), "double", columns$rows, endian = "little")
}))
for (group in task$groups) {
  codes <- match(frame[[group]], unique(frame[[group]]))
  frame[[group]] <- structure(
    codes,
    levels = as.character(seq_len(max(codes))), class = "factor"
  )
}
formula <- as.formula(task$formula)

timed <- function(control) {
  remarks <- character()
  gc()
  start <- Sys.time()
  fit <- withCallingHandlers(
    lmer(formula, frame, REML = task$reml, control = control),
    warning = function(w) {
      remarks <<- c(remarks, conditionMessage(w))
      invokeRestart("muffleWarning")
    },
    message = function(m) {
      remarks <<- c(remarks, conditionMessage(m))
      invokeRestart("muffleMessage")
    }
  )
  seconds <- as.numeric(Sys.time() - start, units = "secs")
  evaluations <- paste(fit@optinfo$feval, "evaluations")
  list(
    seconds = seconds, log_likelihood = as.numeric(logLik(fit)),
    note = paste(c(evaluations, trimws(remarks)), collapse = ", ")
  )
}

# The first call is a warm-up unless it is slow.
repeated <- function(control) {
  first <- timed(control)
  seconds <- if (first$seconds > 1) first$seconds
  while (length(seconds) < task$reps && sum(seconds) <= task$budget) {
    seconds <- c(seconds, timed(control)$seconds)
  }
  list(seconds = I(seconds), log_likelihood = first$log_likelihood, note = first$note)
}

cat(toJSON(
  list(
    default = repeated(lmerControl()),
    no_derivs = repeated(lmerControl(calc.derivs = FALSE))
  ),
  digits = I(15), auto_unbox = TRUE
))
