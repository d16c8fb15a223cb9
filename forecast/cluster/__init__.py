"""Work that outgrows one process or one machine: parts of a table, and a Ray cluster.

segments          a model for each segment of a panel
part_rows         which part a series belongs to, and the files that its rows go to
part_files        files that are written side by side
split_table       `forecast split`: a table into files of whole series
parts_folder      such a folder, and a folder of forecasts of its parts
part_station      the part function: one file in, one file of forecasts out
frame_parts       the part function for the frames of Spark
predict_parts     `forecast predict --parts`: every file of a folder
ensemble_members  the networks of an ensemble, each a task
backtest_blocks   the fits of a backtest, each a task
tasks             many requests to the workers of any executor
"""
