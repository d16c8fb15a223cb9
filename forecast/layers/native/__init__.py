"""The loops of GRU and LSTM in C++, for float32 on a CPU.

loops.cc         the loops as a library without TensorFlow: `interface.h` says what it offers
operations.cc    three operations of TensorFlow that call it
forward.h        a layer over a sequence
backward.h       its gradient
shards.h         shards of a batch on all processors
layout.h         the layout of numbers inside
factors.h        what products multiply: floats, or pairs of bfloat16
cells.h          one step of each cell, and the cells by name
vectors.h        vectors, tanh and sigmoid, the product of a tile
library          the loops on NumPy arrays
registered       the operations of TensorFlow
loop             calls those for `dispatch`

`files.libraries` finds both libraries, or compiles them. TensorFlow is imported by the last two
modules alone, inside functions or by `dispatch`.
"""

from forecast.layers.native.registered import operations

__all__ = ["operations"]
