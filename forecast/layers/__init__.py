"""Layers and functions of layers that stock Keras lacks."""
