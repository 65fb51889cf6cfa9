# A reference model, described in the words of the Python estimator's parameters.

# One random-effects equation; arguments as in RandomEffects.
equation <- function(group, columns = character(), covariance = NULL, intercept = TRUE) {
  terms <- c(columns, if (intercept) "_cons")
  if (is.null(covariance)) {
    covariance <- if (length(terms) < 2) "identity" else "independent"
  }
  list(
    group = group, columns = columns, covariance = covariance,
    intercept = intercept, terms = terms
  )
}

# Residual structure; arguments as in Residuals, plus the group it works within.
residuals_within <- function(group, structure, order = NULL, time = NULL, by = NULL) {
  list(group = group, structure = structure, order = order, time = time, by = by)
}

# Columns that are formed before fitting: a recipe that any language can follow.
recipe <- function(name, op, of, ...) list(name = name, op = op, of = I(of), ...)
product <- function(name, ...) recipe(name, "product", c(...))
equals <- function(name, of, value) recipe(name, "equals", of, value = value)
sin2pi <- function(name, of) recipe(name, "sin2pi", of)
cos2pi <- function(name, of) recipe(name, "cos2pi", of)

model <- function(id, data, response, fixed, random, method, residuals = NULL,
                  derive = list(), rows = NULL) {
  if (!is.null(random$group)) random <- list(random)
  seen <- character()
  for (i in seq_along(random)) {
    group <- random[[i]]$group
    seen <- c(seen, group)
    repeated <- sum(seen == group)
    random[[i]]$name <- if (repeated > 1) paste0(group, "_", repeated) else group
    random[[i]]$path <- unique(seen)
  }
  list(
    id = id, data = data, response = response, fixed = fixed, random = random,
    method = method, residuals = residuals, derive = derive, rows = rows
  )
}

# The same model by ML and by REML.
both_methods <- function(id, ...) {
  list(
    model(paste0(id, "-ml"), ..., method = "ml"),
    model(paste0(id, "-reml"), ..., method = "reml")
  )
}

# The rows that a model is fitted to, with its derived columns.
model_frame <- function(model, folders, stored) {
  frame <- read_data(model$data, folders, stored)
  if (!is.null(model$rows)) {
    frame <- frame[frame[[model$rows$column]] %in% model$rows$among, ]
  }
  frame <- frame[!is.na(frame[[model$response]]), ]
  for (recipe in model$derive) {
    sources <- frame[recipe$of]
    frame[[recipe$name]] <- switch(recipe$op,
      product = Reduce(`*`, sources),
      equals = as.numeric(sources[[1]] == recipe$value),
      sin2pi = sin(2 * pi * sources[[1]]),
      cos2pi = cos(2 * pi * sources[[1]])
    )
  }
  for (eq in model$random) {
    frame[[path_name(eq$path)]] <- path_factor(frame, eq$path)
  }
  frame
}

# Groups are identified by their path, so a factor is made of every path.
path_name <- function(path) paste(path, collapse = "__in__")

path_factor <- function(frame, path) {
  key <- do.call(paste, c(unname(lapply(frame[path], as.character)), sep = "\r"))
  factor(key, levels = unique(key))
}

path_labels <- function(frame, path) {
  first <- !duplicated(frame[[path_name(path)]])
  unname(as.matrix(vapply(frame[first, path, drop = FALSE], as.character, character(sum(first)))))
}

design <- function(frame, columns, intercept) {
  cbind(as.matrix(frame[columns]), if (intercept) rep(1, nrow(frame)))
}
