# Writes resampling.json: parametric bootstraps by lme4, pooled imputations by mice.
#
#   Rscript make_resampling.R
#
# Only this script needs R; the suite reads the JSON.

suppressPackageStartupMessages({
  library(lme4)
  library(mice)
  library(broom.mixed)
  library(jsonlite)
})
options(digits = 15, warn = 1)
set.seed(20121)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
data <- file.path(here, "..", "..", "sklearn_xmixed", "datasets", "data")
read <- function(name) read.csv(file.path(data, paste0(name, ".csv")))
tight <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10),
  check.conv.singular = "ignore", check.conv.grad = "ignore"
)

# -- bootMer: standard deviations of the replicates --------------------------------
estimates <- function(fit) {
  v <- as.data.frame(VarCorr(fit), order = "lower.tri")
  out <- c(fixef(fit), v$sdcor)
  names(out) <- c(names(fixef(fit)), paste(v$grp, v$var1, v$var2))
  out
}
models <- list(
  list(
    id = "sleepstudy", nsim = 2000, data = "sleepstudy",
    formula = "reaction ~ days + (days | subject)"
  ),
  list(
    id = "pastes", nsim = 2000, data = "pastes",
    formula = "strength ~ 1 + (1 | batch/cask)"
  )
)
bootstraps <- lapply(models, function(m) {
  fit <- lmer(as.formula(m$formula), read(m$data), REML = TRUE, control = tight)
  seconds <- system.time(
    boot <- bootMer(fit, estimates, nsim = m$nsim, seed = 1)
  )[["elapsed"]]
  message(sprintf("%s: %d replicates in %.1f s", m$id, m$nsim, seconds))
  list(
    id = m$id, formula = m$formula, n_resamples = m$nsim,
    names = names(boot$t0), estimate = unname(boot$t0),
    mean = colMeans(boot$t, na.rm = TRUE),
    std_error = apply(boot$t, 2, sd, na.rm = TRUE)
  )
})

# -- mice: Rubin's rules on fits of lme4 --------------------------------------------
orthodont <- read("orthodont")
orthodont$female <- as.numeric(orthodont$sex == "Female")
gaps <- orthodont[c("distance", "age", "female")]
lost <- runif(nrow(gaps)) < plogis((gaps$age - 12) / 2)
gaps$distance[lost] <- NA
m <- 5
imputed <- mice(gaps, m = m, method = "norm", printFlag = FALSE, seed = 7)
fits <- lapply(seq_len(m), function(k) {
  frame <- complete(imputed, k)
  frame$subject <- orthodont$subject
  lmer(distance ~ age + female + (1 | subject), frame, REML = FALSE, control = tight)
})
pooled <- lapply(list(default = NULL, large = Inf), function(df) {
  p <- if (is.null(df)) pool(fits) else pool(fits, dfcom = df)
  p$pooled[c(
    "term", "m", "estimate", "ubar", "b", "t", "dfcom", "df", "riv", "lambda", "fmi"
  )]
})

versions <- function(...) {
  sapply(c(...), function(p) as.character(packageVersion(p)), simplify = FALSE)
}
document <- list(
  generator = "make_resampling.R",
  r_version = paste(R.version$major, R.version$minor, sep = "."),
  packages = versions("lme4", "mice", "broom.mixed", "Matrix", "jsonlite"),
  bootstraps = bootstraps,
  imputations = list(
    formula = "distance ~ age + female + (1 | subject)",
    distance = lapply(seq_len(m), function(k) complete(imputed, k)$distance),
    pooled = pooled
  )
)
writeLines(
  toJSON(document, digits = I(15), auto_unbox = TRUE, null = "null", na = "null"),
  file.path(here, "resampling.json")
)
