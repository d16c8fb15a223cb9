"""The loops of GRU and LSTM in C++, for float32 on a CPU.

operations.cc    two operations of TensorFlow
forward.h        a layer over a sequence
backward.h       its gradient
layout.h         their inputs and outputs, and the layout of numbers inside
cells.h          one step of each cell, and the cells by name
vectors.h        vectors, tanh and sigmoid, the product of a tile
build            compiles them once for each machine
loop             calls them for `dispatch`
"""

from forecast.layers.native.build import operations

__all__ = ["operations"]
