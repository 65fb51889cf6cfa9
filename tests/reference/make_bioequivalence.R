# Writes bioequivalence.json: replicate crossover studies by nlme and lmerTest.
#
#   Rscript make_bioequivalence.R
#
# Methods B (random subjects) and C (subject-by-formulation, a residual variance for each
# treatment: the model of the FDA) of the European Medicines Agency, on its data sets I and
# II.  nlme stops where its likelihood no longer changes; tolerances are as small as it takes.
suppressPackageStartupMessages({
  library(nlme)
  library(lmerTest)
  library(pbkrtest)
  library(jsonlite)
})

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
folder <- file.path(here, "..", "..", "sklearn_xmixed", "datasets", "data")

read_study <- function(name) {
  d <- read.csv(file.path(folder, paste0(name, ".csv")))
  for (v in c("subject", "sequence", "period", "treatment")) d[[v]] <- factor(d[[v]])
  d$log_pk <- log(d$pk)
  d
}

tight <- lmeControl(
  maxIter = 500, msMaxIter = 1000, niterEM = 100, tolerance = 1e-10,
  msTol = 1e-12, returnObject = TRUE, opt = "optim", reltol = 1e-14
)

by_nlme <- function(fit) {
  row <- summary(fit)$tTable["treatmentT", ]
  list(
    log_likelihood = as.numeric(logLik(fit)),
    estimate = row[["Value"]], std_error = row[["Std.Error"]], df = row[["DF"]]
  )
}

method_b <- function(d) {
  fit <- lme(log_pk ~ sequence + period + treatment, random = ~ 1 | subject,
             data = d, method = "REML", control = tight)
  mixed <- lmer(log_pk ~ sequence + period + treatment + (1 | subject), d)
  sat <- coef(summary(mixed, ddf = "Satterthwaite"))["treatmentT", ]
  kr <- coef(summary(mixed, ddf = "Kenward-Roger"))["treatmentT", ]
  list(
    nlme = by_nlme(fit),
    satterthwaite = list(std_error = sat[["Std. Error"]], df = sat[["df"]]),
    kenward_roger = list(std_error = kr[["Std. Error"]], df = kr[["df"]]),
    variances = list(subject = as.numeric(getVarCov(fit)), residual = fit$sigma^2)
  )
}

method_c <- function(d) {
  fit <- lme(log_pk ~ sequence + period + treatment,
             random = list(subject = pdSymm(~ treatment - 1)),
             weights = varIdent(form = ~ 1 | treatment),
             data = d, method = "REML", control = tight)
  ratio <- coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)
  G <- getVarCov(fit)
  list(
    nlme = by_nlme(fit),
    variances = list(
      subject_R = G[1, 1], subject_T = G[2, 2], subject_RT = G[1, 2],
      residual_R = (fit$sigma * ratio[["R"]])^2,
      residual_T = (fit$sigma * ratio[["T"]])^2
    )
  )
}

out <- list(
  generator = "make_bioequivalence.R",
  versions = list(
    R = paste(R.version$major, R.version$minor, sep = "."),
    nlme = as.character(packageVersion("nlme")),
    lme4 = as.character(packageVersion("lme4")),
    lmerTest = as.character(packageVersion("lmerTest")),
    pbkrtest = as.character(packageVersion("pbkrtest"))
  )
)
for (design in c("full", "partial")) {
  d <- read_study(paste0("bioequivalence_", design))
  out[[design]] <- list(B = method_b(d), C = method_c(d))
}
write(toJSON(out, auto_unbox = TRUE, digits = NA, pretty = TRUE),
      file.path(here, "bioequivalence.json"))
