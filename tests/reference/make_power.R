# Power by simulation with lme4, as simr does it: draw a response, fit, test, count.
# Two designs: slopes that vary between 10 subjects, and 12 clusters of 5 rows, half of
# them treated.  Writes power.json.
#
#   Rscript make_power.R

suppressMessages({
  library(lme4)
  library(lmerTest)
  library(pbkrtest)
  library(jsonlite)
})

n_sims <- 1000
n_slow <- 250  # of them with Kenward and Roger's method, which takes most of the time
set.seed(20261128)

p_values <- function(formula, null, data, term, slow) {
  full <- suppressMessages(suppressWarnings(lmerTest::lmer(formula, data, REML = TRUE)))
  table <- coef(summary(full, ddf = "Satterthwaite"))
  z <- table[term, "Estimate"] / table[term, "Std. Error"]
  kr <- NA
  if (slow) kr <- coef(summary(full, ddf = "Kenward-Roger"))[term, "Pr(>|t|)"]
  ml <- suppressMessages(suppressWarnings(lme4::lmer(formula, data, REML = FALSE)))
  less <- suppressMessages(suppressWarnings(lme4::lmer(null, data, REML = FALSE)))
  lr <- 2 * (as.numeric(logLik(ml)) - as.numeric(logLik(less)))
  c(
    z = 2 * pnorm(-abs(z)),
    satterthwaite = table[term, "Pr(>|t|)"],
    `kenward-roger` = kr,
    lr = pchisq(max(lr, 0), 1, lower.tail = FALSE)
  )
}

count <- function(p) {
  list(
    n_sims = as.list(rowSums(!is.na(p))),
    rejected = as.list(rowSums(p <= 0.05, na.rm = TRUE))
  )
}

slopes <- expand.grid(days = 0:9, subject = 1:10)
Sigma <- matrix(c(36, 10, 10, 576), 2)  # of days, of the intercept
root <- chol(Sigma)
draw_slopes <- function() {
  u <- matrix(rnorm(20), 10) %*% root
  slopes$y <- 250 + 5 * slopes$days + u[slopes$subject, 1] * slopes$days +
    u[slopes$subject, 2] + rnorm(nrow(slopes), sd = 25)
  slopes
}
first <- sapply(seq_len(n_sims), function(i) {
  p_values(
    y ~ days + (days | subject), y ~ 1 + (days | subject), draw_slopes(), "days",
    i <= n_slow
  )
})

clusters <- expand.grid(row = 1:5, cluster = 1:12)
clusters$treated <- as.numeric(clusters$cluster > 6)
draw_clusters <- function() {
  clusters$y <- 1.2 * clusters$treated + rnorm(12, sd = sqrt(0.5))[clusters$cluster] +
    rnorm(nrow(clusters))
  clusters
}
second <- sapply(seq_len(n_sims), function(i) {
  p_values(
    y ~ treated + (1 | cluster), y ~ 1 + (1 | cluster), draw_clusters(), "treated",
    i <= n_slow
  )
})

write_json(
  list(
    versions = list(
      R = as.character(getRversion()),
      lme4 = as.character(packageVersion("lme4")),
      lmerTest = as.character(packageVersion("lmerTest")),
      pbkrtest = as.character(packageVersion("pbkrtest"))
    ),
    slopes = count(first),
    clusters = count(second)
  ),
  "power.json",
  auto_unbox = TRUE,
  pretty = TRUE
)
