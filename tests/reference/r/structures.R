# Covariance structures of random effects: parameters -> lower factor, relative to sigma.
# The parameters of an equation are those of its relative factor theta where lme4
# has one, so that a bound of 0 on the diagonal is the boundary of the model.

structure_size <- function(eq) length(structure_lower(eq))

structure_lower <- function(eq) {
  q <- length(eq$terms)
  switch(eq$covariance,
    identity = if (q) 0 else numeric(),
    independent = rep(0, q),
    exchangeable = c(0, -Inf),
    unstructured = ifelse(row_col(q)$row == row_col(q)$col, 0, -Inf)
  )
}

structure_start <- function(eq) {
  lower <- structure_lower(eq)
  ifelse(is.finite(lower), 1, 0)
}

structure_factor <- function(eq, par) {
  q <- length(eq$terms)
  switch(eq$covariance,
    identity = diag(if (q) par else 0, q),
    independent = diag(par, q),
    exchangeable = {
      low <- -1 / (q - 1)
      r <- low + (1 - low) * plogis(par[2])
      par[1] * t(chol(diag(1 - r, q) + r))
    },
    unstructured = {
      factor <- matrix(0, q, q)
      factor[lower.tri(factor, diag = TRUE)] <- par
      factor
    }
  )
}

# Row and column of the elements of a lower triangle, column by column.
row_col <- function(q) {
  inside <- lower.tri(diag(q), diag = TRUE)
  list(row = row(diag(q))[inside], col = col(diag(q))[inside])
}

# All equations of a model: how the joint parameter vector is cut.
split_parameters <- function(model, par) {
  sizes <- vapply(model$random, structure_size, 0)
  ends <- cumsum(sizes)
  Map(function(from, to) par[seq_len(to - from) + from], ends - sizes, ends)
}

model_lower <- function(model) unlist(lapply(model$random, structure_lower))

model_starts <- function(model) {
  start <- unlist(lapply(model$random, structure_start))
  lapply(c(1, 0.3, 0.05, 3), function(s) start * s)
}

model_factors <- function(model, par) {
  Map(structure_factor, model$random, split_parameters(model, par))
}
