# Writes small_samples.json: degrees of freedom of restricted maximum likelihood fits by
# lmerTest (Satterthwaite) and pbkrtest (Kenward-Roger).
#
#   Rscript make_small_samples.R [directory of the bundled CSV files]
#
# Every fit ends with Newton steps (r/optimum.R), because degrees of freedom move faster
# with the variances than the likelihood does.  pbkrtest differentiates with respect to
# a variance of zero as if it were inside; where one is zero its numbers are those of
# the model without that term, `kenward_roger$formula`, and lmerTest's those of the
# model as it stands.  A correlation of one has no smaller model, hence no Kenward-Roger.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(pbkrtest)
  library(jsonlite)
})
options(digits = 15, warn = 1)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
source(file.path(here, "r", "optimum.R"))
given <- commandArgs(TRUE)
bundled <- if (length(given)) {
  given[1]
} else {
  file.path(here, "..", "..", "sklearn_xmixed", "datasets", "data")
}

# -- models in our words ----------------------------------------------------------------

effects <- function(group, columns = character(), covariance = NULL, intercept = TRUE,
                    factor = NULL) {
  out <- list(
    group = unbox(group), columns = I(columns), intercept = unbox(intercept)
  )
  if (!is.null(covariance)) out$covariance <- unbox(covariance)
  if (!is.null(factor)) out$factor <- unbox(factor)
  out
}

data_sets <- list()
cases <- list()

plain <- function(frame) {
  as.list(lapply(frame, function(x) if (is.factor(x)) as.character(x) else x))
}

dummies <- function(frame, factor, levels) {
  for (k in levels) frame[[k]] <- as.numeric(frame[[factor]] == k)
  frame
}

tight <- function(formula, frame) {
  quiet <- function(...) {
    lmerControl(
      check.scaleX = "ignore", check.conv.singular = "ignore",
      check.conv.grad = "ignore", check.conv.hess = "ignore", calc.derivs = FALSE, ...
    )
  }
  first <- lme4::lmer(formula, frame, control = quiet())
  deviance <- update(first, devFunOnly = TRUE)
  lower <- getME(first, "lower")
  starts <- c(
    list(pmax(getME(first, "theta"), lower)),
    lapply(c(1, 0.3, 0.05), function(s) ifelse(lower == 0, s, 0))
  )
  found <- minimum(deviance, starts, lower)
  names(found$par) <- names(getME(first, "theta"))
  fit <- eval(bquote(lmerTest::lmer(
    .(formula), frame,
    start = .(found$par), control = quiet(optimizer = NULL)
  )))
  stopifnot(max(abs(getME(fit, "theta") - found$par)) < 1e-12)
  list(fit = fit, gradient = found$gradient, at_bound = found$at_bound)
}

# -- what the two packages say ----------------------------------------------------------

# A hypothesis is a matrix with a named column per coefficient it speaks of.
in_order_of <- function(rows, names) {
  L <- matrix(0, nrow(rows), length(names), dimnames = list(NULL, names))
  L[, colnames(rows)] <- rows
  L
}

ours <- function(names) sub("(Intercept)", "_cons", names, fixed = TRUE)
named <- function(x, names) lapply(as.list(setNames(unname(x), names)), unbox)
number <- function(...) lapply(list(...), function(x) unbox(unname(as.numeric(x))))

satterthwaite <- function(fit, hypotheses) {
  names <- ours(names(fixef(fit)))
  table <- coef(summary(fit, ddf = "Satterthwaite"))
  list(
    std_error = named(table[, "Std. Error"], names), df = named(table[, "df"], names),
    t = named(table[, "t value"], names), p_value = named(table[, "Pr(>|t|)"], names),
    tests = lapply(hypotheses, function(rows) {
      F <- contest(fit, in_order_of(rows, names), joint = TRUE, ddf = "Satterthwaite")
      number(
        f_value = F[["F value"]], df = F[["NumDF"]], df_denom = F[["DenDF"]],
        p_value = F[["Pr(>F)"]]
      )
    })
  )
}

kenward_roger <- function(fit, hypotheses, formula) {
  names <- ours(names(fixef(fit)))
  plain <- as(fit, "lmerMod")
  adjusted <- vcovAdj(plain)
  se <- sqrt(diag(as.matrix(adjusted)))
  df <- vapply(seq_along(names), function(k) {
    Lb_ddf(diag(length(names))[k, ], as.matrix(vcov(plain)), adjusted)
  }, 0)
  t <- fixef(plain) / se
  list(
    formula = unbox(deparse1(formula)),
    vcov = unname(as.matrix(adjusted)), terms = names,
    std_error = named(se, names), df = named(df, names),
    t = named(t, names), p_value = named(2 * pt(-abs(t), df), names),
    tests = lapply(hypotheses, function(rows) {
      F <- getKR(KRmodcomp(plain, in_order_of(rows, names)))
      number(
        f_value = F$Fstat, df = F$ndf, df_denom = F$ddf, scale = F$F.scaling,
        p_value = F$p.value
      )
    })
  )
}

# `without`: the formula of the model without the variance that is zero; NA where there
# is no such model.  All coefficients but the constant are tested together, too, unless
# `jointly` is FALSE.
add <- function(id, data, formula, random_effects, hypotheses = list(), frame = get(data),
                without = NULL, jointly = TRUE) {
  frame <- as.data.frame(frame)
  if (!is.null(random_effects$group)) random_effects <- list(random_effects)
  label <- if (is.data.frame(frame) && grepl("/", data)) data else paste0("stored/", data)
  result <- tight(formula, frame)
  fit <- result$fit
  X <- colnames(getME(fit, "X"))
  fixed <- setdiff(X, "(Intercept)")
  used <- unique(c(
    all.vars(formula), fixed,
    unlist(lapply(random_effects, function(e) c(e$columns, e$factor)))
  ))
  if (startsWith(label, "stored/")) {
    data_sets[[data]] <<- plain(frame[, union(names(data_sets[[data]]), used), drop = FALSE])
  }
  if (jointly && length(fixed) > 1) {
    every <- diag(length(fixed))
    colnames(every) <- fixed
    hypotheses <- c(list(every), hypotheses)
  }
  boundary <- any(result$at_bound)
  stopifnot(boundary == !is.null(without))
  smaller <- if (is.null(without)) formula else without
  kr <- if (inherits(smaller, "formula")) {
    reduced <- if (boundary) tight(smaller, frame) else result
    stopifnot(
      !any(reduced$at_bound),
      abs(logLik(reduced$fit) - logLik(fit)) < 1e-9
    )
    kenward_roger(reduced$fit, hypotheses, smaller)
  }
  message(sprintf(
    "%-28s slope %.0e  boundary %d  sd %s", id, result$gradient, boundary,
    paste(signif(as.data.frame(VarCorr(fit))$sdcor, 3), collapse = " ")
  ))
  cases[[length(cases) + 1]] <<- list(
    id = unbox(id), data = unbox(label), formula = unbox(deparse1(formula)),
    response = unbox(all.vars(formula)[1]), fixed = I(fixed),
    fit_intercept = unbox("(Intercept)" %in% X), random_effects = random_effects,
    at_boundary = unbox(boundary), gradient = unbox(result$gradient),
    log_likelihood = unbox(c(logLik(fit))), sigma = unbox(sigma(fit)),
    coef = named(fixef(fit), ours(X)),
    hypotheses = lapply(hypotheses, function(rows) {
      list(terms = I(colnames(rows)), L = unname(rows))
    }),
    satterthwaite = satterthwaite(fit, hypotheses), kenward_roger = kr
  )
}

rows <- function(...) {
  given <- list(...)
  names <- unique(unlist(lapply(given, names)))
  t(vapply(given, function(r) {
    setNames(ifelse(names %in% names(r), r[names], 0), names)
  }, setNames(numeric(length(names)), names)))
}

# -- published data -----------------------------------------------------------------------

read <- function(name) read.csv(file.path(bundled, paste0(name, ".csv")))
sleep <- read("sleepstudy")
add("sleep-intercept", "bundled/sleepstudy", reaction ~ days + (1 | subject),
  effects("subject"), frame = sleep)
add("sleep-correlated", "bundled/sleepstudy", reaction ~ days + (days | subject),
  effects("subject", "days", "unstructured"),
  list(rows(c(`_cons` = 1, days = 5), c(days = 1))), frame = sleep)
add("sleep-uncorrelated", "bundled/sleepstudy", reaction ~ days + (days || subject),
  effects("subject", "days", "independent"), frame = sleep)
gaps <- sleep[(sleep$days * 5 + sleep$subject) %% 7 > 1 & sleep$subject < 352, ]
gaps$days2 <- gaps$days^2
add("sleep-gaps", "gaps", reaction ~ days + days2 + (days | subject),
  effects("subject", "days", "unstructured"))
add("penicillin", "bundled/penicillin", diameter ~ 1 + (1 | plate) + (1 | sample),
  list(effects("_all", factor = "plate"), effects("_all", factor = "sample")),
  frame = read("penicillin"))
add("pastes", "bundled/pastes", strength ~ 1 + (1 | batch / cask),
  list(effects("batch"), effects("cask")), frame = read("pastes"))

cakes <- lme4::cake
cakes$b <- as.numeric(cakes$recipe == "B")
cakes$c <- as.numeric(cakes$recipe == "C")
cakes$warm <- cakes$temp - 200
cakes$b_warm <- cakes$b * cakes$warm
cakes$c_warm <- cakes$c * cakes$warm
cakes$replicate <- as.integer(cakes$replicate)
add("cake", "cakes",
  angle ~ warm + b + c + b_warm + c_warm + (1 | replicate / recipe),
  list(effects("replicate"), effects("recipe")),
  list(rows(c(b = 1), c(c = 1)), rows(c(b_warm = 1), c(c_warm = 1))))
burnt <- cakes[(cakes$temp / 5 * 3 + cakes$replicate) %% 5 > 0, ]
add("cake-unbalanced", "burnt",
  angle ~ warm + b + c + b_warm + c_warm + (1 | replicate / recipe),
  list(effects("replicate"), effects("recipe")),
  list(rows(c(b = 1), c(c = 1)), rows(c(b_warm = 1), c(c_warm = 1)), rows(c(b = 1, c = -1))))

oats <- as.data.frame(nlme::Oats)
oats$golden <- as.numeric(oats$Variety == "Golden Rain")
oats$marvel <- as.numeric(oats$Variety == "Marvellous")
for (k in c(2, 4, 6)) oats[[paste0("n", k)]] <- as.numeric(round(oats$nitro * 10) == k)
nitro <- rows(c(n2 = 1), c(n4 = 1), c(n6 = 1))
variety <- rows(c(golden = 1), c(marvel = 1))
split_plot <- yield ~ golden + marvel + n2 + n4 + n6 + (1 | Block / Variety)
plots <- list(effects("Block"), effects("Variety"))
add("oats", "oats", split_plot, plots, list(variety, nitro))
lost <- oats[-c(3, 8, 9, 17, 22, 30, 31, 38, 47, 55, 56, 57, 64), ]
add("oats-unbalanced", "lost", split_plot, plots, list(variety, nitro))

stools <- dummies(as.data.frame(nlme::ergoStool), "Type", c("T2", "T3", "T4"))
add("stools", "stools", effort ~ T2 + T3 + T4 + (1 | Subject), effects("Subject"),
  list(rows(c(T2 = 1, T3 = -1), c(T4 = 1))))

machines <- dummies(as.data.frame(nlme::Machines), "Machine", c("A", "B", "C"))
fewer <- machines[-c(2, 3, 9, 17, 18, 20, 25, 31, 32, 33, 40, 47, 52), ]
add("machines", "machines", score ~ B + C + (1 | Worker / Machine),
  list(effects("Worker"), effects("Machine")))
add("machines-unbalanced", "fewer", score ~ B + C + (1 | Worker / Machine),
  list(effects("Worker"), effects("Machine")), list(rows(c(B = 1, C = -1))))
add("machines-unstructured", "fewer", score ~ B + C + (0 + A + B + C | Worker),
  effects("Worker", c("A", "B", "C"), "unstructured", FALSE))

teeth <- dummies(as.data.frame(nlme::Orthodont), "Sex", c("Male", "Female"))
teeth$male_age <- teeth$Male * teeth$age
teeth$female_age <- teeth$Female * teeth$age
add("orthodont-slopes", "teeth", distance ~ age + Male + male_age + (age | Subject),
  effects("Subject", "age", "unstructured"), list(rows(c(Male = 1), c(male_age = 1))))
add("orthodont-cells", "teeth",
  distance ~ 0 + Male + Female + male_age + female_age + (1 | Subject), effects("Subject"),
  list(rows(
    c(Male = 1, Female = -1), c(male_age = 1, female_age = -1)
  )))
rail <- as.data.frame(nlme::Rail)
add("rail", "rail", travel ~ 1 + (1 | Rail), effects("Rail"))
sugar <- dummies(pbkrtest::beets, "sow", paste0("sow", 2:5))
sugar <- dummies(dummies(sugar, "block", c("block2", "block3")), "harvest", "harv2")
sugar$plot <- paste(sugar$block, sugar$harvest)
add("beets", "sugar",
  sugpct ~ block2 + block3 + sow2 + sow3 + sow4 + sow5 + harv2 + (1 | plot),
  effects("plot"), list(
    rows(c(sow2 = 1), c(sow3 = 1), c(sow4 = 1), c(sow5 = 1)), rows(c(block2 = 1), c(block3 = 1))
  ))

# -- made-up data -------------------------------------------------------------------------

unbalanced <- function(seed, sizes) {
  set.seed(seed)
  frame <- data.frame(g = rep(seq_along(sizes), sizes))
  frame$x <- round(rnorm(nrow(frame)), 3)
  frame$z <- round(rnorm(length(sizes))[frame$g], 3)
  frame$treated <- as.numeric(frame$g %% 2 == 0)
  frame
}
noise <- function(frame, sd = 1) sd * rnorm(nrow(frame))
effect <- function(frame, sd) sd * rnorm(max(frame$g))[frame$g]

five <- unbalanced(1, c(3, 8, 5, 2, 11))
five$y <- round(1 + five$x + effect(five, 1) + noise(five), 3)
add("five-groups", "five", y ~ x + z + (1 | g), effects("g"))

eight <- unbalanced(2, c(6, 3, 9, 4, 4, 7, 2, 5))
eight$x_treated <- eight$x * eight$treated
eight$y <- round(1 + eight$treated + effect(eight, 1) + noise(eight), 3)
add("treatment-between", "eight", y ~ treated + x + x_treated + (1 | g), effects("g"),
  list(rows(c(treated = 1), c(x_treated = 1))))

twelve <- unbalanced(3, c(4, 9, 6, 3, 7, 5, 8, 4, 6, 10, 3, 5))
twelve$x_treated <- twelve$x * twelve$treated
twelve$y <- round(2 + twelve$x + effect(twelve, 1) + effect(twelve, 0.8) * twelve$x +
  noise(twelve, 0.7), 3)
add("slopes-correlated", "twelve", y ~ x + treated + x_treated + (x | g),
  effects("g", "x", "unstructured"), list(rows(c(treated = 1), c(x_treated = 1))))
add("slopes-uncorrelated", "twelve", y ~ x + treated + x_treated + (x || g),
  effects("g", "x", "independent"))
twelve$w <- round(2 * twelve$x + effect(twelve, 0.8) * twelve$x + noise(twelve, 0.7), 3)
add("slope-alone", "twelve", w ~ 0 + x + treated + (0 + x | g),
  effects("g", "x", intercept = FALSE))

ten <- unbalanced(4, c(5, 7, 3, 6, 8, 4, 5, 9, 3, 6))
ten$big <- round(1e6 * (5 + rnorm(nrow(ten))))
ten$tiny <- signif(1e-5 * rnorm(nrow(ten)), 4)
ten$y <- round(ten$big / 1e6 + 1e5 * ten$tiny + effect(ten, 1) +
  effect(ten, 0.9) * ten$x + noise(ten), 3)
add("scales", "ten", y ~ big + tiny + x + (x | g), effects("g", "x", "unstructured"),
  # lmerTest counts the rank of a hypothesis by its eigenvalues as they stand
  list(rows(c(big = 1e6), c(tiny = 1e-5)), rows(c(big = 1e6), c(tiny = 1e-5), c(x = 1))),
  jointly = FALSE)

steps <- expand.grid(k = 1:4, c = 1:3, a = 1:7)
set.seed(5)
steps <- steps[sort(sample(nrow(steps), 62)), ]
steps$x <- round(rnorm(nrow(steps)), 3)
steps$treated <- as.numeric((steps$c + steps$a) %% 2 == 0)
steps$y <- round(rnorm(7)[steps$a] + 0.8 * rnorm(21)[steps$a * 3 - 3 + steps$c] +
  0.5 * steps$treated + rnorm(nrow(steps)), 3)
add("three-levels", "steps", y ~ x + treated + (1 | a / c), list(effects("a"), effects("c")))
add("three-levels-slope", "steps", y ~ x + treated + (1 | a) + (x || a:c),
  list(effects("a"), effects("c", "x", "independent")))

cross <- expand.grid(p = 1:9, q = letters[1:7], stringsAsFactors = FALSE)
set.seed(6)
cross <- cross[sort(sample(nrow(cross), 50)), ]
cross <- cross[rep(seq_len(nrow(cross)), rep_len(1:3, nrow(cross))), ]
cross$x <- round(rnorm(nrow(cross)), 3)
cross$z <- round(rnorm(9), 3)[cross$p]
cross$part <- (seq_len(nrow(cross)) * 7) %% 3
cross$pair <- paste(cross$q, cross$part)
cross$y <- round(rnorm(9)[cross$p] + 0.8 * rnorm(7)[match(cross$q, letters)] +
  0.7 * rnorm(21)[as.integer(factor(cross$pair))] + rnorm(nrow(cross)), 3)
add("crossed", "cross", y ~ x + z + (1 | p) + (1 | q),
  list(effects("_all", factor = "p"), effects("_all", factor = "q")))
cross$w <- round(cross$y + rnorm(7)[match(cross$q, letters)] * cross$x, 3)
add("crossed-slope", "cross", w ~ x + z + (1 | p) + (1 + x | q),
  list(effects("_all", factor = "p"), effects("_all", "x", "unstructured", factor = "q")))
add("crossed-and-nested", "cross", y ~ x + z + (1 | p) + (1 | q) + (1 | q:part),
  list(
    effects("_all", factor = "p"), effects("_all", factor = "q"), effects("q", factor = "part")
  ))

blocks <- data.frame(g = rep(1:10, each = 3), t = c(
  "a", "b", "c", "a", "b", "d", "a", "b", "e", "a", "c", "d", "a", "c", "e", "a", "d", "e",
  "b", "c", "d", "b", "c", "e", "b", "d", "e", "c", "d", "e"
))
set.seed(7)
blocks <- dummies(blocks, "t", letters[2:5])
blocks$y <- round(effect(blocks, 0.8) + noise(blocks), 3)
add("incomplete-blocks", "blocks", y ~ b + c + d + e + (1 | g), effects("g"),
  list(rows(c(b = 1, c = -1), c(d = 1, e = -1))))

# -- variances of zero, correlations of one -------------------------------------------------

flat <- unbalanced(8, c(4, 6, 5, 7, 3, 8))
flat$y <- round(flat$x + noise(flat), 3)
flat$y <- round(flat$y - ave(flat$y, flat$g) + 0.1 * flat$z, 3)
# without random effects the t and F of linear regression are exact
flat_lm <- function(id, data, formula, random_effects, smaller) {
  add(id, data, formula, random_effects, without = NA)
  fit <- lm(smaller, get(data))
  k <- length(cases)
  table <- coef(summary(fit))
  names <- ours(rownames(table))
  F <- summary(fit)$fstatistic
  df <- fit$df.residual
  cases[[k]]$kenward_roger <<- list(
    formula = unbox(deparse1(smaller)), vcov = unname(vcov(fit)), terms = names,
    std_error = named(table[, 2], names), df = named(rep(df, nrow(table)), names),
    t = named(table[, 3], names), p_value = named(table[, 4], names),
    tests = list(number(
      f_value = F[1], df = F[2], df_denom = df, scale = 1,
      p_value = pf(F[1], F[2], F[3], lower.tail = FALSE)
    ))
  )
}
flat_lm("zero-intercept", "flat", y ~ x + z + (1 | g), effects("g"), y ~ x + z)

still <- unbalanced(9, c(5, 8, 4, 7, 9, 6, 5))
still$y <- round(still$x + effect(still, 1) + noise(still), 3)
add("zero-slope", "still", y ~ x + z + (x || g), effects("g", "x", "independent"),
  without = y ~ x + z + (1 | g))

middle <- steps
set.seed(10)
middle$y <- round(rnorm(7)[middle$a] + 0.5 * middle$treated + rnorm(nrow(middle)), 3)
middle$y <- middle$y - 0.8 * (ave(middle$y, middle$a, middle$c) - ave(middle$y, middle$a))
middle$y <- round(middle$y, 3)
add("zero-middle", "middle", y ~ x + treated + (1 | a / c), list(effects("a"), effects("c")),
  without = y ~ x + treated + (1 | a))

idle <- cross
idle$y <- idle$y - ave(idle$y, idle$q)
set.seed(11)
idle$y <- round(idle$y + 0.3 * idle$x, 3)
add("zero-crossed", "idle", y ~ x + z + (1 | p) + (1 | q),
  list(effects("_all", factor = "p"), effects("_all", factor = "q")),
  without = y ~ x + z + (1 | p))

tied <- function(seed, sign) {
  frame <- unbalanced(seed, c(5, 8, 4, 7, 9, 6, 5, 7, 6))
  u <- rnorm(9)[frame$g]
  frame$y <- round(1 + u + sign * 0.7 * u * frame$x + noise(frame, 0.8), 3)
  frame
}
plus <- tied(12, 1)
minus <- tied(14, -1)
add("correlation-plus-one", "plus", y ~ x + z + (x | g), effects("g", "x", "unstructured"),
  without = NA)
add("correlation-minus-one", "minus", y ~ x + z + (x | g), effects("g", "x", "unstructured"),
  without = NA)

# -- the file -------------------------------------------------------------------------------

versions <- function(...) {
  sapply(c(...), function(p) as.character(packageVersion(p)), simplify = FALSE)
}
document <- list(
  generator = unbox("make_small_samples.R"),
  r_version = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  packages = lapply(
    versions("lme4", "lmerTest", "pbkrtest", "nlme", "Matrix", "minqa", "jsonlite"), unbox
  ),
  data = lapply(data_sets, function(d) lapply(d, I)),
  cases = cases
)
writeLines(
  toJSON(document, digits = I(15), null = "null", na = "null"),
  file.path(here, "small_samples.json")
)
message(length(cases), " cases written")
