"""From stamps as people have them to a regular series: trading days, repeated and odd stamps."""
