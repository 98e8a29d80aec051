"""Files: written whole or not at all, weights, data sets' formats, downloads."""
