# Writes marginal_means.json: marginal means, trends and contrasts by emmeans.
#
#   Rscript make_marginal_means.R
#
# Models are fitted by lme4 under REML; every query is answered twice, with the normal
# distribution and with Kenward and Roger's degrees of freedom (pbkrtest).  Only this
# script needs R; the suite reads the JSON, data included.

suppressPackageStartupMessages({
  library(lme4)
  library(emmeans)
  library(jsonlite)
  library(splines)
})
options(digits = 15, warn = 1)
emm_options(msg.interaction = FALSE, msg.nesting = FALSE)

here <- dirname(normalizePath(sub(
  "^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]
)))
bundled <- function(name) {
  read.csv(file.path(
    here, "..", "..", "sklearn_xmixed", "datasets", "data", paste0(name, ".csv")
  ))
}
tight <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhobeg = 0.02, rhoend = 1e-9, maxfun = 1e5),
  check.conv.singular = "ignore", check.conv.grad = "ignore",
  check.rankX = "silent.drop.cols"
)

# ------------------------------------------------------------------------ data

oats <- function() {
  d <- as.data.frame(nlme::Oats)
  data.frame(
    block = as.character(d$Block), variety = gsub(" ", "", as.character(d$Variety)),
    nitro = paste0("n", 10 * d$nitro), dose = d$nitro, yield = d$yield
  )
}
unbalanced_oats <- function() oats()[-c(1, 2, 3, 5, 8, 13, 21, 34, 55), ]

# Three factors, a covariate, cells of very different size.
trial <- function() {
  set.seed(16)
  d <- expand.grid(visit = paste0("v", 1:3), subject = 1:40)
  d$arm <- c("drug", "placebo", "standby")[1 + (d$subject * 7) %% 11 %% 3]
  d$sex <- c("f", "m")[1 + (d$subject %% 5 > 1)]
  age <- round(rnorm(40, 50, 9), 1)
  d$age <- age[d$subject]
  u <- rnorm(40, 0, 2)
  d$y <- round(
    10 + 1.5 * (d$arm == "drug") + 0.4 * (d$sex == "m") + 0.05 * d$age +
      0.8 * (d$visit == "v2") + 1.4 * (d$visit == "v3") * (d$arm == "drug") +
      u[d$subject] + rnorm(120), 3
  )
  d$subject <- paste0("s", d$subject)
  d$visit <- as.character(d$visit)
  d[sort(sample(120, 97)), ]
}

# Two factors with an empty cell.
incomplete <- function() {
  set.seed(3)
  d <- expand.grid(a = c("a1", "a2", "a3"), b = c("b1", "b2", "b3"), block = 1:6)
  d$y <- round(
    5 + as.integer(d$a) + 0.5 * as.integer(d$b) + rnorm(6)[d$block] + rnorm(54), 3
  )
  d <- d[!(d$a == "a2" & d$b == "b3"), ]
  d <- d[sort(sample(nrow(d), 40)), ]
  data.frame(
    a = as.character(d$a), b = as.character(d$b), block = paste0("k", d$block), y = d$y
  )
}

chicks <- function() {
  d <- as.data.frame(ChickWeight)
  data.frame(
    chick = paste0("c", as.character(d$Chick)), diet = paste0("d", d$Diet),
    time = d$Time, weight = d$weight
  )
}

# Teachers within schools, classes at random; every teacher in one school.
schools <- function() {
  set.seed(21)
  teachers <- data.frame(
    school = rep(c("s1", "s2", "s3"), c(2, 4, 3)), teacher = paste0("t", 1:9)
  )
  d <- teachers[rep(1:9, each = 12), ]
  d$class <- paste0(d$teacher, rep(1:3, each = 4))
  d$sex <- sample(c("f", "m"), 108, replace = TRUE)
  classes <- unique(d$class)
  u <- setNames(rnorm(length(classes), 0, 0.8), classes)
  d$y <- round(
    20 + as.integer(factor(d$teacher)) / 2 + (d$sex == "m") + u[d$class] + rnorm(108), 3
  )
  d[sort(sample(108, 85)), ]
}

# A control without doses beside a drug in three: doses are nested in the arms.
augmented <- function() {
  set.seed(22)
  d <- data.frame(
    block = rep(paste0("k", 1:8), each = 8), arm = rep(c("control", "drug"), c(2, 6)),
    dose = c("none", "none", rep(c("high", "low", "mid"), each = 2)), sex = c("f", "m")
  )
  d$y <- round(
    4 + (d$arm == "drug") + 0.7 * (d$dose == "high") + 0.3 * (d$sex == "f") +
      rnorm(8)[as.integer(factor(d$block))] + rnorm(64), 3
  )
  d[sort(sample(64, 53)), ]
}

# Every rater scores many items: two random factors that cross.
ratings <- function() {
  set.seed(23)
  d <- expand.grid(rater = paste0("r", 1:9), item = paste0("i", 1:12), stringsAsFactors = FALSE)
  d$method <- c("film", "live", "text")[1 + as.integer(factor(d$item)) %% 3]
  d$phase <- c("late", "early")[1 + (as.integer(factor(d$rater)) + as.integer(factor(d$item))) %% 2]
  d$score <- round(
    50 + 2 * (d$method == "live") - 1.5 * (d$phase == "late") * (d$method == "text") +
      rnorm(9, 0, 2)[as.integer(factor(d$rater))] +
      rnorm(12, 0, 1.5)[as.integer(factor(d$item))] + rnorm(108, 0, 1.5), 3
  )
  d[sort(sample(108, 80)), ]
}

# The trial without one of its cells.
without_a_cell <- function() {
  d <- trial()
  d[!(d$arm == "standby" & d$sex == "m" & d$visit == "v3"), ]
}

mares <- function() {
  d <- bundled("ovary")
  d$group <- ifelse(d$mare %% 2 == 0, "even", "odd")
  d$mare <- paste0("m", d$mare)
  d
}

# ---------------------------------------------------------------------- models

means <- function(specs, ..., by = NULL, at = NULL, weights = "equal") {
  list(specs = specs, by = by, at = at, weights = weights, contrasts = list(...))
}
trends <- function(specs, var, ..., by = NULL, at = NULL) {
  c(means(specs, ..., by = by, at = at), list(var = var))
}
compare <- function(kind, ref = NULL, coef = NULL) {
  list(kind = kind, ref = ref, coef = coef)
}
every <- list(
  compare("pairwise"), compare("reference"), compare("consecutive"),
  compare("polynomial"), compare("effects")
)
queries_of <- function(...) do.call(means, c(list(...), every))

cases <- list(
  list(
    id = "split-plot", data = oats(),
    formula = "yield ~ variety * nitro + (1 | block/variety)",
    queries = list(
      queries_of("variety"), queries_of("nitro"),
      means("nitro", compare("pairwise"), compare("polynomial"), by = "variety"),
      means(c("variety", "nitro"))
    )
  ),
  list(
    id = "split-plot-unbalanced", data = unbalanced_oats(),
    formula = "yield ~ variety + nitro + (1 | block/variety)",
    queries = list(
      queries_of("variety"), queries_of("nitro"),
      means("variety", compare("pairwise"), by = "nitro", weights = "proportional")
    )
  ),
  list(
    id = "dose", data = unbalanced_oats(),
    formula = "yield ~ variety * dose + (1 | block/variety)",
    queries = list(
      means("variety", compare("pairwise")),
      means("variety", compare("pairwise"), by = "dose", at = list(dose = c(0, 0.5))),
      trends("variety", "dose", compare("pairwise"), compare("reference", ref = 2))
    )
  ),
  list(
    id = "trial", data = trial(),
    formula = "y ~ arm * visit + sex + age + (1 | subject)",
    queries = list(
      queries_of("arm"),
      means("arm", compare("reference", ref = 2), by = "visit"),
      means("arm", compare("pairwise"), weights = "proportional"),
      means("arm", compare("pairwise"), weights = "cells"),
      means("visit", compare("consecutive"), at = list(age = c(40, 60), sex = "m")),
      means("arm", list(
        kind = "custom", ref = NULL, coef = list(rest = c(-1, 0.5, 0.5), two = c(0, 1, -1))
      ))
    )
  ),
  list(
    id = "three-way", data = trial(),
    formula = "y ~ arm * sex * visit + age:arm + (1 | subject)",
    queries = list(
      means(c("arm", "sex"), by = "visit"),
      means("sex", compare("pairwise"), by = "arm", weights = "cells"),
      trends("arm", "age", compare("pairwise"))
    )
  ),
  list(
    id = "empty-cell", data = incomplete(), formula = "y ~ a * b + (1 | block)",
    queries = list(
      means("a", compare("pairwise")), means("b", compare("pairwise")),
      means("a", compare("pairwise"), compare("reference"), by = "b"),
      means("a", compare("pairwise"), weights = "cells"),
      means(c("a", "b"))
    )
  ),
  list(
    id = "crossed", data = bundled("penicillin"),
    formula = "diameter ~ sample + (1 | plate)", queries = list(queries_of("sample"))
  ),
  list(
    id = "growth", data = bundled("orthodont"),
    formula = "distance ~ sex * age + (age | subject)",
    queries = list(
      means("sex", compare("pairwise"), by = "age", at = list(age = c(8, 10, 14))),
      trends("sex", "age", compare("pairwise")),
      means("sex", compare("pairwise"))
    )
  ),
  list(
    id = "logarithm", data = chicks(),
    formula = "log(weight) ~ diet * poly(time, 2) + (1 | chick)",
    queries = list(
      queries_of("diet"),
      means("diet", compare("pairwise"), by = "time", at = list(time = c(0, 21))),
      trends("diet", "time", compare("pairwise"), by = "time", at = list(time = c(2, 15)))
    )
  ),
  list(
    id = "spline", data = mares(),
    formula = "follicles ~ group * bs(stime, df = 5) + (1 | mare)",
    queries = list(
      means("group", compare("pairwise"), by = "stime", at = list(stime = c(0.1, 0.4, 0.9))),
      trends("group", "stime", by = "stime", at = list(stime = c(0.2, 0.77)))
    )
  ),
  list(
    id = "nested", data = schools(),
    formula = "y ~ school + teacher + sex + (1 | class)",
    queries = list(
      queries_of("school"), means("sex", compare("pairwise")),
      means("teacher", compare("pairwise"), compare("effects"), by = "school"),
      means("school", compare("pairwise"), weights = "proportional"),
      means("sex", compare("pairwise"), weights = "cells")
    )
  ),
  list(
    id = "augmented", data = augmented(),
    formula = "y ~ arm * sex + dose + (1 | block)",
    queries = list(
      means("arm", compare("pairwise")), means("arm", compare("pairwise"), by = "sex"),
      means("dose", by = "arm"), means("sex", compare("pairwise"))
    )
  ),
  list(
    id = "crossed-effects", data = ratings(),
    formula = "score ~ method * phase + (1 | rater) + (1 | item)",
    queries = list(
      queries_of("method"), means("phase", compare("pairwise"), by = "method"),
      means("method", compare("pairwise"), weights = "cells")
    )
  ),
  list(
    id = "three-way-empty-cell", data = without_a_cell(),
    formula = "y ~ arm * sex * visit + (1 | subject)",
    queries = list(
      means("arm", compare("pairwise"), by = "visit"),
      means(c("arm", "sex"), by = "visit"),
      means("visit", compare("pairwise"), by = "arm", weights = "cells"),
      means("sex", compare("pairwise"), by = "arm")
    )
  )
)
#: models of factors, and covariates that no factor modifies
tested <- c(
  "split-plot", "split-plot-unbalanced", "trial", "crossed", "crossed-effects", "augmented"
)

# --------------------------------------------------------------------- answers

methods <- c(
  pairwise = "pairwise", reference = "trt.vs.ctrl", consecutive = "consec",
  polynomial = "poly", effects = "eff"
)
adjustments <- c("none", "mvt", "bonferroni", "holm", "sidak", "scheffe", "fdr")

columns <- function(frame) lapply(as.list(frame), function(x) {
  if (is.factor(x)) as.character(x) else x
})

answered <- function(query, fit, mode) {
  call <- list(
    fit, specs = query$specs, by = query$by, at = query$at, lmer.df = mode,
    data = fit@frame
  )
  call$data <- NULL
  if (is.null(query$var)) {
    call$weights <- query$weights
    grid <- do.call(emmeans, call)
  } else {
    # a forward difference: its error is of the order of the step
    call$var <- query$var
    call$delta.var <- 1e-6
    grid <- do.call(emtrends, call)
  }
  shown <- as.data.frame(summary(grid, infer = c(TRUE, FALSE), type = "lp"))
  value <- setdiff(names(shown), c(query$specs, query$by))
  keep <- function(frame, estimate) {
    names(frame)[names(frame) == estimate] <- "estimate"
    names(frame) <- sub("^(asymp.LCL|lower.CL)$", "ci_lower", names(frame))
    names(frame) <- sub("^(asymp.UCL|upper.CL)$", "ci_upper", names(frame))
    columns(frame)
  }
  contrasts <- lapply(query$contrasts, function(wanted) {
    if (wanted$kind == "custom") {
      found <- contrast(grid, wanted$coef)
    } else if (wanted$kind == "reference") {
      ref <- if (is.null(wanted$ref)) 1 else wanted$ref
      found <- contrast(grid, "trt.vs.ctrl", ref = ref)
    } else {
      found <- contrast(grid, methods[[wanted$kind]])
    }
    tried <- if (wanted$kind == "pairwise") c("tukey", adjustments) else adjustments
    tables <- lapply(setNames(tried, tried), function(adjust) {
      set.seed(1)
      out <- as.data.frame(
        summary(found, infer = c(TRUE, TRUE), adjust = adjust, type = "lp")
      )
      keep(out, "estimate")
    })
    # emmeans counts independent rows by their decimals; the rank can be given
    if (wanted$kind == "effects" && is.null(query$by)) {
      out <- as.data.frame(summary(
        found, infer = c(TRUE, TRUE), adjust = "scheffe", type = "lp",
        scheffe.rank = nrow(grid@grid[!duplicated(grid@grid[query$specs]), ]) - 1
      ))
      tables$scheffe <- keep(out, "estimate")
    }
    joint <- NULL
    if (mode == "asymptotic") joint <- columns(as.data.frame(test(found, joint = TRUE)))
    list(
      kind = wanted$kind, ref = wanted$ref, coef = wanted$coef, tables = tables,
      joint = joint, vcov = unname(vcov(found))
    )
  })
  list(means = keep(shown, value[1]), contrasts = contrasts)
}

results <- lapply(cases, function(case) {
  message(case$id)
  case$data <- as.data.frame(lapply(case$data, function(x) {
    if (is.character(x)) factor(x, levels = sort(unique(x), method = "radix")) else x
  }))
  # the model's call names the data where emmeans looks for them
  assign("the_data", case$data, envir = globalenv())
  fit <- eval(bquote(lmer(
    .(as.formula(case$formula)), data = the_data, REML = TRUE, control = tight
  )))
  list(
    id = case$id, formula = case$formula, data = columns(case$data),
    log_likelihood = as.numeric(logLik(fit)),
    joint_tests = if (case$id %in% tested) {
      lapply(columns(as.data.frame(joint_tests(fit, lmer.df = "kenward-roger"))), I)
    },
    queries = lapply(case$queries, function(query) {
      c(
        query[c("specs", "by", "at", "weights", "var")],
        list(
          asymptotic = answered(query, fit, "asymptotic"),
          kenward_roger = answered(query, fit, "kenward-roger")
        )
      )
    })
  )
})

versions <- c(R = as.character(getRversion()), sapply(
  c("lme4", "emmeans", "pbkrtest", "mvtnorm"),
  function(p) as.character(packageVersion(p))
))
writeLines(
  toJSON(
    list(versions = as.list(versions), cases = results),
    digits = 10, auto_unbox = TRUE, null = "null", na = "null"
  ),
  file.path(here, "marginal_means.json")
)
