"""Attention of the forecast steps over the encoder's outputs."""

from __future__ import annotations

from typing import Any


def attend(queries: Any, memory: Any, *, units: int, score: str) -> Any:
    """Attend from every query to the memory, and merge the context into the query.

    The score of step `i` and memory row `j`, with learned projections to `units`, is

        dot       q_i . (W m_j)                  Luong et al. 2015, arXiv 1508.04025, "general"
        additive  v . tanh(W_q q_i + W_m m_j)    Bahdanau et al. 2015, arXiv 1409.0473

    its softmax over `j` weighs the projected memory `W m_j`, and the result is Luong's attentional
    state `tanh(W_c [context_i; q_i])`.

    Args:
        queries: (B, H, units).
        memory: (B, L, C).
        units: width of queries and result.
        score: `dot` or `additive`.

    Returns:
        (B, H, units).
    """
    from keras import layers  # TensorFlow starts when a model is built, not before

    keys = layers.Dense(units, use_bias=False, name="attention_keys")(memory)  # (B, L, units)
    if score == "dot":
        context = layers.Attention(name="attention")([queries, keys])
    else:
        projected = layers.Dense(units, use_bias=False, name="attention_queries")(queries)
        context = layers.AdditiveAttention(name="attention")([projected, keys])
    # context: (B, H, units)
    merged = layers.Concatenate(name="attention_and_query")([context, queries])  # (B, H, 2 units)
    return layers.Dense(units, activation="tanh", use_bias=False, name="attention_state")(merged)
