"""The loops of GRU and LSTM in C++, for float32 on a CPU.

operations.cc    two operations of TensorFlow
loops.h          a layer over a sequence, and its gradient
cells.h          one step of each cell
vectors.h        vectors, tanh and sigmoid, the product of a tile
build            compiles them once for each machine
loop             what `recurrent` calls
"""

from forecast.layers.native.build import operations

__all__ = ["operations"]
