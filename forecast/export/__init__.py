"""A fitted forecaster as a file that other programs run, from raw values to raw forecasts.

operations        the operations that a graph is made of, whatever the format
onnx_graph        the same as nodes of an ONNX graph, with onnx_cells, onnx_nodes, shapes
tensor_graph      the same as operations of TensorFlow, for SavedModel and LiteRT
network_nodes     the layers of a recorded network in these operations
recurrent_nodes   recurrent layers
scaling_nodes     the reversible maps of the targets
member_nodes      simple members of a forecast, those that are fitted to a history with
                  series_rows, season_nodes, recursion_nodes, theta_nodes, holt_nodes, ets_nodes,
                  lag_nodes
program           the whole forecast: raw inputs to raw outputs
signature         inputs and outputs of a file, channel by channel
window_inputs     the inputs of windows of a table
parity            the check of a file against the forecaster
formats           table of the formats
writing           the command: choose members, write, check, describe
tracking          runs in MLflow, and the forecaster as an MLflow model
"""
