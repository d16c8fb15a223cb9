"""A model for each segment of a panel, such as each region of its stores.

segment_names       the value of a segment as the name of a folder
segment_rows        a table in files, one for each segment
segment_folder      the folder: tables, runs, and records of what was done
segment_station     the fit of one segment, in a worker of any executor
fit_segments        `forecast fit --by`: every segment, and the table that compares them
segment_scores      that table
predict_segments    one table of forecasts, each series by the model of its segment
"""
