"""Figures that others have published under the same protocols, to stand beside ours.

ETT: SegRNN table II and its repository (Lin et al. 2023, arXiv 2308.11200); PatchTST (arXiv
2211.14730) and LTSF-Linear (arXiv 2205.13504), whose loaders drop the last test batch where marked
*; iTransformer (arXiv 2310.06625); TiDE (arXiv 2304.08424); the GRU and DeepAR of NeuralForecast's
long-horizon table. M4: the competition's results (Makridakis et al. 2020). Electricity prices:
TimeXer (arXiv 2402.19072). Hospital and births: the Monash archive (Godahewa et al. 2021, arXiv
2105.06643).
"""

from __future__ import annotations

PAIRS: dict[str, dict[str, tuple[str, ...]]] = {
    "etth1": {
        "SegRNN, L=720": (".351/.392", ".392/.414", ".423/.433", ".466/.472"),
        "PatchTST/64, L=512 *": (".370/.400", ".413/.429", ".422/.440", ".447/.468"),
        "NLinear, L=336": (".374/.394", ".408/.415", ".429/.427", ".440/.453"),
        "DLinear, L=336": (".375/.399", ".405/.416", ".439/.443", ".472/.490"),
        "iTransformer, L=96": (".386/.405", ".441/.436", ".487/.458", ".503/.491"),
        "TiDE, L=720": (".375/.398", ".412/.422", ".435/.433", ".454/.465"),
        "plain GRU, L=720": ("1.135/.844", "1.123/.814", "1.080/.807", "1.089/.822"),
    },
    "etth2": {
        "SegRNN, L=720": (".276/.335", ".341/.389", ".364/.403", ".403/.448"),
        "PatchTST/64, L=512 *": (".274/.337", ".341/.382", ".329/.384", ".379/.422"),
        "NLinear, L=336": (".277/.338", ".344/.381", ".357/.400", ".394/.436"),
        "DLinear, L=336": (".289/.353", ".383/.418", ".448/.465", ".605/.551"),
        "iTransformer, L=96": (".297/.349", ".380/.400", ".428/.432", ".427/.445"),
        "TiDE, L=720": (".270/.336", ".332/.380", ".360/.407", ".419/.451"),
    },
    "etth1_96": {
        "SegRNN, L=96": (".368/.395", ".408/.419", ".444/.440", ".446/.457"),
        "iTransformer, L=96": (".386/.405", ".441/.436", ".487/.458", ".503/.491"),
    },
    "etth2_96": {
        "SegRNN, L=96": (".278/.335", ".359/.389", ".421/.436", ".432/.455"),
        "iTransformer, L=96": (".297/.349", ".380/.400", ".428/.432", ".427/.445"),
    },
    "exchange_rate": {},
    "epf": {"TimeXer": (".236/.268", ".385/.208")},
    "bike_sharing": {},
}
"""Set -> method -> MSE/MAE of each case of its protocol."""

M4: dict[str, dict[str, tuple[str, str, str]]] = {
    "m4_hourly": {
        "best submission of the 61": ("8.913", ".801", ".4096"),
        "ES-RNN, the winner": ("9.328", ".893", ".4401"),
        "FFORMA": ("11.506", ".819", ".4839"),
        "AutoETS": ("17.192", "1.606", ".8029"),
        "the competition's RNN": ("14.698", "3.048", "1.036"),
        "Naive2": ("18.383", "2.395", "1"),
    },
    "m4_weekly": {
        "best submission of the 61": ("6.582", "2.107", ".7386"),
        "FFORMA": ("7.625", "2.108", ".7957"),
        "ES-RNN, the winner": ("7.817", "2.356", ".8508"),
        "AutoETS": ("8.706", "2.548", ".9339"),
        "the competition's RNN": ("15.220", "5.132", "1.755"),
        "Naive2": ("9.161", "2.777", "1"),
    },
}
"""Set -> method -> sMAPE, MASE, OWA."""

MASE: dict[str, dict[str, str]] = {
    "hospital": {"DynOptTheta": ".756", "Theta": ".761", "DeepAR": ".769", "AutoETS": ".770"},
    "us_births": {"TBATS": "1.453", "N-BEATS": "1.537", "DeepAR": "1.548"},
}
"""Set -> method -> MASE."""
