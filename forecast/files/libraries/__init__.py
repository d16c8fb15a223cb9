"""Libraries in C++: those of a wheel, or compiled on this machine, once, into a folder of the user.

compiler         the libraries and the commands that compile them, for this machine and for wheels
build            finds a library, or compiles it
trust            the folder that they are kept in, and who can write to it
"""
