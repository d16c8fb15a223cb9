"""The forecaster: a fitted state, what it predicts, how it is judged, saved and loaded."""
