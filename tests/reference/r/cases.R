# The reference models.

reference_cases <- function() {
  c(
    sleepstudy_cases(), orthodont_cases(), nested_cases(), productivity_cases(),
    manual_cases(), boundary_cases(), simulated_cases(), residual_cases()
  )
}

sleepstudy_cases <- function() {
  sleepstudy <- function(id, ...) {
    both_methods(
      paste0("sleepstudy-", id), "bundled/sleepstudy", "reaction", "days",
      equation("subject", ...)
    )
  }
  c(
    sleepstudy("intercept"),
    sleepstudy("independent", "days"),
    sleepstudy("unstructured", "days", "unstructured"),
    sleepstudy("identity", "days", "identity"),
    sleepstudy("exchangeable", "days", "exchangeable"),
    sleepstudy("slope-only", "days", intercept = FALSE)
  )
}

orthodont_cases <- function() {
  sex <- list(equals("male", "sex", "Male"), product("male_age", "male", "age"))
  slopes <- equation("subject", "age", "unstructured")
  c(
    both_methods("orthodont-age", "bundled/orthodont", "distance", "age", slopes),
    both_methods("orthodont-sex", "bundled/orthodont", "distance",
      c("age", "male", "male_age"), slopes,
      derive = sex
    ),
    list(model("orthodont-sex-intercept-reml", "bundled/orthodont", "distance",
      c("age", "male", "male_age"), equation("subject"), "reml",
      derive = sex
    ))
  )
}

nested_cases <- function() {
  samples <- lapply(LETTERS[2:6], function(s) equals(paste0("sample_", s), "sample", s))
  c(
    both_methods(
      "pastes", "bundled/pastes", "strength", character(),
      list(equation("batch"), equation("cask"))
    ),
    both_methods(
      "penicillin-plate", "bundled/penicillin", "diameter", character(), equation("plate")
    ),
    both_methods("penicillin-plate-sample", "bundled/penicillin", "diameter",
      paste0("sample_", LETTERS[2:6]), equation("plate"),
      derive = samples
    )
  )
}

production <- c("private", "emp", "hwy", "water", "other", "unemp")

productivity_cases <- function() {
  c(
    both_methods(
      "productivity", "bundled/productivity", "gsp", production,
      list(equation("region"), equation("state"))
    ),
    list(
      model(
        "productivity-slopes-ml", "bundled/productivity", "gsp", production,
        list(equation("region", c("hwy", "unemp")), equation("state")), "ml"
      ),
      model(
        "productivity-blocks-ml", "bundled/productivity", "gsp", production,
        list(
          equation("region", c("hwy", "unemp"), "identity", intercept = FALSE),
          equation("region"), equation("state")
        ), "ml"
      ),
      model(
        "productivity-state-slope-reml", "bundled/productivity", "gsp", production,
        list(equation("region"), equation("state", "unemp", "unstructured")), "reml"
      )
    )
  )
}

# First models of the manual's examples 1 to 7.
manual_cases <- function() {
  pig <- function(id, method, ...) {
    model(
      paste0("pig-", id, "-", method), "manual/pig", "weight", "week",
      equation("id", ...), method
    )
  }
  age <- product("age_sq", "age", "age")
  gender <- list(
    age, equals("boy", "girl", 0), product("boyXage", "boy", "age"),
    product("girlXage", "girl", "age")
  )
  gendered <- c("girl", "boyXage", "girlXage", "age_sq")
  veneer <- function(method) {
    model(
      paste0("veneer-", method), "manual/veneer", "gcf",
      c("followup", "base_gcf", "cda", "age"),
      list(equation("patient", "followup", "unstructured"), equation("tooth")), method
    )
  }
  list(
    pig("intercept", "ml"),
    pig("independent", "ml", "week"),
    pig("unstructured", "ml", "week", "unstructured"),
    pig("independent", "reml", "week"),
    model(
      "manual-productivity-ml", "manual/productivity", "gsp", production,
      list(equation("region"), equation("state")), "ml"
    ),
    model(
      "manual-productivity-slopes-ml", "manual/productivity", "gsp", production,
      list(equation("region", c("hwy", "unemp")), equation("state")), "ml"
    ),
    model("childweight-ml", "manual/childweight", "weight", c("age", "age_sq"),
      equation("id", "age"), "ml",
      derive = list(age)
    ),
    model("childweight-unstructured-reml", "manual/childweight", "weight",
      c("age", "age_sq"), equation("id", "age", "unstructured"), "reml",
      derive = list(age)
    ),
    model("childweight-gender-ml", "manual/childweight", "weight", gendered,
      equation("id", "age"), "ml",
      derive = gender
    ),
    model("childweight-blocks-ml", "manual/childweight", "weight", gendered,
      list(
        equation("id", c("boy", "boyXage"), intercept = FALSE),
        equation("id", c("girl", "girlXage"), intercept = FALSE)
      ), "ml",
      derive = gender
    ),
    veneer("reml"),
    veneer("ml")
  )
}

# Zero variances and correlations of exactly -1 or 1.
boundary_cases <- function() {
  slopes <- equation("group", "x", "unstructured")
  c(
    both_methods(
      "dyestuff2", "stored/dyestuff2", "yield", character(), equation("batch")
    ),
    both_methods("perfect-positive", "stored/perfect_positive", "y", "x", slopes),
    both_methods("perfect-negative", "stored/perfect_negative", "y", "x", slopes)
  )
}

simulated_cases <- function() {
  levels <- lapply(c("district", "hospital", "ward"), equation)
  c(
    both_methods("four-levels", "stored/four_levels", "y", "x", levels),
    both_methods(
      "unbalanced-slopes", "stored/unbalanced", "y", c("x_std", "z"),
      equation("group", c("x_std", "z"), "unstructured")
    ),
    list(model(
      "unbalanced-raw-scale-reml", "stored/unbalanced", "y", c("x", "z"),
      equation("group", "z", "unstructured"), "reml"
    ))
  )
}

# Correlated or heteroskedastic residuals, which lme4 does not fit.
residual_cases <- function() {
  ovary <- function(id, method, structure, order = NULL) {
    model(paste0("ovary-", id), "bundled/ovary", "follicles", c("sin1", "cos1"),
      equation("mare"), method,
      residuals = residuals_within("mare", structure, order = order, time = "time"),
      derive = list(sin2pi("sin1", "stime"), cos2pi("cos1", "stime"))
    )
  }
  days <- c(4, 6, 8, 12)
  day_names <- paste0("day", days)
  program <- c(
    list(equals("program2", "program", 2)),
    Map(function(name, day) equals(name, "day", day), day_names, days),
    Map(
      function(name) product(paste0("program2_", name), "program2", name), day_names
    )
  )
  exercise <- function(structure, time = "day") {
    model(paste0("exercise-", structure, "-ml"), "manual/exercise", "strength",
      c("program2", day_names, paste0("program2_", day_names)),
      equation("id", intercept = FALSE), "ml",
      residuals = residuals_within("id", structure, time = time),
      derive = unname(program), rows = list(column = "day", among = c(0, days))
    )
  }
  list(
    ovary("ar2-reml", "reml", "ar", 2),
    ovary("ar1-ml", "ml", "ar", 1),
    ovary("ma2-ml", "ml", "ma", 2),
    exercise("unstructured"),
    exercise("exponential"),
    exercise("exchangeable", time = NULL),
    model("veneer-by-followup-reml", "manual/veneer", "gcf",
      c("followup", "base_gcf", "cda", "age"),
      list(equation("patient", "followup", "unstructured"), equation("tooth")), "reml",
      residuals = residuals_within("tooth", "independent", by = "followup")
    )
  )
}
