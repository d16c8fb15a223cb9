"""The loops of GRU and LSTM in C++, for float32 on a CPU.

operations.cc    two operations of TensorFlow
forward.h        a layer over a sequence
backward.h       its gradient
layout.h         what they read and write, and how numbers lie inside
cells.h          one step of each cell
vectors.h        vectors, tanh and sigmoid, the product of a tile
build            compiles them once for each machine
loop             what `recurrent` calls
"""

from forecast.layers.native.build import operations

__all__ = ["operations"]
