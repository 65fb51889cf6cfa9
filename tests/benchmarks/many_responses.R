# CPU milliseconds a response of lme4: one lmer, then refit for every other column.
# Rscript many_responses.R rows.csv responses.csv formula
suppressPackageStartupMessages(library(lme4))
args <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(args[1])
rows$g <- factor(rows$g)
Y <- as.matrix(read.csv(args[2]))
quiet <- function(x) suppressMessages(suppressWarnings(x))
rows$y <- Y[, 1]
first <- quiet(lmer(as.formula(args[3]), rows, REML = TRUE))
start <- proc.time()
for (b in seq_len(ncol(Y))) {
  fit <- quiet(refit(first, Y[, b]))
  errors <- sqrt(diag(as.matrix(vcov(fit))))
}
spent <- proc.time() - start
# refit of 1.1-31 takes REML as if X had one column: likelihoods are those of lmer
likelihood <- sapply(seq_len(ncol(Y)), function(b) {
  rows$y <- Y[, b]
  logLik(quiet(lmer(as.formula(args[3]), rows, REML = TRUE)))
})
cat(1000 * (spent[["user.self"]] + spent[["sys.self"]]) / ncol(Y),
    format(likelihood, digits = 15),
    as.character(packageVersion("lme4")))
