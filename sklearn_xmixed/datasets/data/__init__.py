"""The bundled tables, one CSV file per data set."""
