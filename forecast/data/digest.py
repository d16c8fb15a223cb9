"""What a panel holds as a short text: equal for two panels only if they hold the same numbers."""

from __future__ import annotations

import hashlib
import json

from forecast.data.panel import Panel


def panel_digest(panel: Panel) -> str:
    """Return the SHA-256 of values, stamps, series and columns as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for array in (panel.values, panel.timestamps, panel.offsets, panel.static_values):
        digest.update(array.tobytes())
    digest.update(json.dumps([str(one) for one in panel.series_ids]).encode())
    digest.update(json.dumps([panel.columns.dynamic, panel.categories]).encode())
    return digest.hexdigest()
