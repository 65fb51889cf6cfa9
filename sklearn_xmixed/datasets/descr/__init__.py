"""The descriptions of the bundled data sets, one reST file per data set."""
