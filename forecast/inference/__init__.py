"""The forward pass of a trained network in NumPy, without Keras and TensorFlow.

graph            a network as a list of operations, stored with a saved model
recording        the graph of a Keras model
forward          runs a graph with its weights
forms            table of the operations by name
array_forms      operations on arrays
layer_forms      layers without a loop
recurrent_forms  recurrent layers
cell_steps       table of the recurrent cells
row_blocks       matrix products whose bits do not depend on the number of rows
regressions      the graph of an ensemble without networks
"""
