# Data sets: bundled CSV files, the manual's CSV files, and tables kept in the JSON.

read_data <- function(name, folders, stored) {
  part <- strsplit(name, "/", fixed = TRUE)[[1]]
  if (part[1] == "stored") {
    return(as.data.frame(stored[[part[2]]], stringsAsFactors = FALSE))
  }
  read.csv(file.path(folders[[part[1]]], paste0(part[2], ".csv")), stringsAsFactors = FALSE)
}

# Simulated values are rounded so that the JSON holds exactly what was fitted.
stored_data <- function() {
  list(
    dyestuff2 = list(
      batch = as.character(lme4::Dyestuff2$Batch), yield = lme4::Dyestuff2$Yield
    ),
    perfect_positive = simulated_slopes(seed = 4, groups = 12, rows = 4, sd = c(.7, 1), r = 1),
    perfect_negative = simulated_slopes(seed = 2, groups = 15, rows = 4, sd = c(.5, 1), r = -1),
    four_levels = simulated_four_levels(seed = 3),
    unbalanced = simulated_unbalanced(seed = 4)
  )
}

simulated_slopes <- function(seed, groups, rows, sd, r) {
  set.seed(seed)
  g <- rep(seq_len(groups), each = rows)
  x <- rep(seq_len(rows) - 1, groups)
  z <- rnorm(groups)
  slope <- sd[1] * z
  constant <- sd[2] * r * z
  y <- 2 + x + constant[g] + slope[g] * x + rnorm(groups * rows)
  list(group = g, x = x, y = round(y, 4))
}

# Inner labels start again at 1 in every outer group: only the path tells them apart.
simulated_four_levels <- function(seed) {
  set.seed(seed)
  table <- expand.grid(row = 1:4, ward = 1:3, hospital = 1:4, district = 1:8)
  table <- table[runif(nrow(table)) < .95, ]
  effect <- function(sd, ...) {
    code <- factor(paste(...))
    rnorm(nlevels(code), sd = sd)[code]
  }
  x <- round(rnorm(nrow(table)), 3)
  y <- 10 + .5 * x + with(table, {
    effect(1.5, district) + effect(1, district, hospital) +
      effect(.8, district, hospital, ward)
  }) + rnorm(nrow(table))
  list(
    district = table$district, hospital = table$hospital, ward = table$ward,
    x = x, y = round(y, 4)
  )
}

# Group sizes from 1 upwards, two slopes, columns on very different scales.
simulated_unbalanced <- function(seed) {
  set.seed(seed)
  sizes <- c(1, 1, 2, 2, 3, sample(4:14, 35, replace = TRUE))
  g <- rep(seq_along(sizes), sizes)
  n <- length(g)
  x <- round(rnorm(n, 2000, 8), 2)
  z <- round(runif(n), 4)
  root <- matrix(c(1.2, -.3, .4, 0, 1, .5, 0, 0, 1.5), 3)
  u <- matrix(rnorm(3 * length(sizes)), ncol = 3) %*% t(root)
  centred <- (x - 2000) / 8
  y <- 5 + centred - 2 * z + u[g, 1] * centred + u[g, 2] * z + u[g, 3] + rnorm(n)
  list(group = g, x = x, x_std = round(centred, 6), z = z, y = round(y, 4))
}
