"""Configuration files: strict YAML in, an experiment out, and back."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from experiment.test_settings import ACCEPTED, ALTERNATIVES, settings_of, variants, with_settings
from hypothesis import example, given
from hypothesis import strategies as st

from forecast.errors import ConfigError
from forecast.experiment.file import (
    apply_overrides,
    dump_experiment,
    experiment_from,
    json_schema,
    load_experiment,
    parse_experiment,
)
from forecast.experiment.schema import reference_table, setting_paths, with_table
from forecast.experiment.settings import Experiment
from forecast.files.yaml import parse_yaml, to_yaml
from forecast.models import MODELS, BiGRUConfig

REFUSED = {
    # name: text, what the message must hold, in this order
    "unknown key": (
        "model:\n  unit: 3",
        "line 2: model.unit is no setting; did you mean 'model.units'?",
    ),
    "key of another section": (
        "horizon: 3",
        "line 1: horizon is no setting; did you mean 'windows.horizon'?",
    ),
    "key of another model": (
        "model: {name: bigru, channels: joint}",
        "model.channels is no setting of bigru; remove it",
    ),
    "unknown model": (
        "model: {name: gru}",
        "model.name is \"gru\"; expected 'bigru' or 'segment_bigru'",
    ),
    "hopeless key": (
        "model: {zzz: 3}",
        "line 1: model.zzz is no setting; expected one of name, cell, ",
    ),
    "quoted number": (
        'model:\n  units: "64"',
        'line 2: model.units is "64"; expected a whole number from 1 to 4096',
    ),
    "quoted number, the fix": ('model:\n  units: "64"', "(remove the quotes)"),
    "true for a number": ("model: {units: true}", "model.units is true; expected a whole number"),
    "number for a text": ("data: {tz: 5}", "data.tz is 5; expected a text"),
    "number for a boolean": (
        "model: {bidirectional: 1}",
        "model.bidirectional is 1; expected true or false",
    ),
    "yes is a text": (
        "model: {bidirectional: yes}",
        'model.bidirectional is "yes"; expected true or false',
    ),
    "fraction for a whole number": (
        "training: {epochs: 3.0}",
        "training.epochs is 3.0; expected a whole number",
    ),
    "out of range": (
        "model:\n\n  dropout: 1.5",
        "line 3: model.dropout is 1.5; expected a number of at least 0 and below 1",
    ),
    "out of range in a list": (
        "model:\n  units:\n    - 8\n    - 0",
        "line 4: model.units[1] is 0; expected",
    ),
    "unknown choice": (
        "training: {loss: msee}",
        "training.loss is \"msee\"; expected 'auto', 'mse', 'mae', 'huber' or 'quantile'",
    ),
    "text for a list": (
        "data: {target_cols: y}",
        "data.target_cols is \"y\"; expected 'auto' or a list",
    ),
    "missing entry": (
        "transforms:\n  target:\n  - lag: 3",
        "line 3: transforms.target[0].name is missing; expected 'standard'",
    ),
    "null section": (
        "windows: {horizon: 3}\nmodel:",
        "line 2: model is null; expected settings such as",
    ),
    "cross-check": ("data:\n  tz: UTC\n  gaps: fill", "line 3: data.gaps is 'fill'"),
    "cross-check of sections": (
        "evaluation:\n  validation_size: 0",
        "line 2: training.patience is 5",
    ),
    "three errors": (
        "model: {dropout: 2, l2: -1}\nname: a b",
        "line 1: model.dropout is 2; expected",
    ),
    "three errors, counted": ("model: {dropout: 2, l2: -1}\nname: a b", "(and 2 more)"),
    "duplicate key": (
        "model:\n  units: 3\n  units: 4",
        "line 3: 'units' is given twice, first in line 2",
    ),
    "duplicate section": (
        "model: {units: 3}\nmodel: {units: 4}",
        "line 2: 'model' is given twice, first in line 1",
    ),
    "anchor": ("name: &a b", "line 1: anchors"),
    "alias": ("name: b\ndata: *a", "line 2: anchors"),
    "merge key": ("model:\n  <<: {units: 3}", "line 2: model.<< is no setting"),
    "tag": ("name: !!python/object:os.system x", "line 1: the tag"),
    "local tag": ("name: !env HOME", "line 1: the tag"),
    "NaN": ("model:\n  l2: .nan", "line 2: .nan is not a finite number"),
    "infinity": ("model:\n  l2: -.INF", "line 2: -.INF is not a finite number"),
    "overflow": ("model:\n  l2: 1e999", "line 2: 1e999 is not a finite number"),
    "huge number": (f"model:\n  units: {'9' * 5000}", "line 2: a number has 5000 digits"),
    "empty": ("", "is empty"),
    "comment only": ("# nothing\n", "is empty"),
    "a list": ("- a\n- b", 'line 1: the document is ["a", "b"]; expected settings'),
    "a text": ("hello", 'line 1: the document is "hello"; expected settings'),
    "tab": ("model:\n\tunits: 3", "line 2: a tab: indent with spaces"),
    "two colons": ("model:\n  units: 3: 4", "line 2: not valid YAML"),
    "open bracket": ("model:\n  units: [3,\n", "not valid YAML"),
    "open quote": ('name: "abc', "not valid YAML"),
    "two documents": ("name: a\n---\nname: b", "line 2: a second document"),
    "number as key": ("1: 2", "line 1: a key is '1'"),
    "list as key": ("? [a]\n: 2", "line 1: a key is"),
    "control character": ("name: a\nmodel: \x07", "line 2: a character that text cannot have"),
    "impossible escape": ('name: "\\UFFFFFFFF"', "is not YAML"),
    "half a character": ('name: "\\ud800"', "line 1: a text has half"),
    "line break in a key": ('"a\\nb": 1', "a b is no setting"),
    "deep nesting": ("[" * 100_000, "line 1: nested more than 16 levels"),
    "deep mappings": (
        "".join(f"{' ' * i}a:\n" for i in range(500)),
        "line 16: nested more than 16 levels",
    ),
    "too long": ("#" * (2**18 + 1), "has more than 262144 bytes"),
    "too long in bytes": ("# " + "é" * 2**17, "has more than 262144 bytes"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_wrong_is_one_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiment(text, source="my.yaml")
    said = str(caught.value)
    assert message in said
    assert said.startswith("my.yaml")
    assert "\n" not in said


def test_expanding_aliases_are_refused_at_once() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    started = time.perf_counter()
    with pytest.raises(ConfigError, match="aliases"):
        parse_experiment(bomb)
    assert time.perf_counter() - started < 1


# The core schema of YAML 1.2.2, section 10.3.2, and its examples.
CORE = {
    "1e-3": 1e-3,
    "1E5": 1e5,
    "1e5": 1e5,
    "-1.5e+3": -1500.0,
    ".5": 0.5,
    "1.": 1.0,
    "12e03": 12000.0,
    "0": 0,
    "-19": -19,
    "+3": 3,
    "010": 10,
    "0o7": 7,
    "0x3A": 58,
    "true": True,
    "True": True,
    "FALSE": False,
    "null": None,
    "~": None,
    "": None,
    "on": "on",
    "off": "off",
    "yes": "yes",
    "No": "No",
    "y": "y",
    "1_000": "1_000",
    "1:30": "1:30",
    "2024-01-01": "2024-01-01",
    "1e": "1e",
    "0b11": "0b11",
    '"1"': "1",
    "'true'": "true",
    "tRUE": "tRUE",
}


@pytest.mark.parametrize(("text", "value"), CORE.items(), ids=[repr(text) for text in CORE])
def test_plain_values_have_the_types_of_yaml_1_2(text: str, value: Any) -> None:
    found = parse_yaml(f"key: {text}", "x").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_a_good_file_is_read_with_every_kind_of_value(tmp_path: Path) -> None:
    text = """\
    # a comment
    name: my-run
    data: {source: a.csv, target_cols: [load, "1e3"], freq: H, calendar: auto}
    windows:
      horizon: 12
    transforms:
      target:
        - name: log1p
        - {name: difference, lag: 7}
    model: {units: [32, 16], num_layers: 2, dropout: 0}
    training: {learning_rate: 1e-4, patience: null}
    evaluation: {test_size: 24, validation_size: 0.25}
    """
    path = tmp_path / "a.yaml"
    path.write_bytes(
        b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    )  # as Windows' Notepad writes it
    experiment = load_experiment(path)
    assert experiment.name == "my-run"
    assert experiment.data.target_cols == ("load", "1e3")
    assert [(one.name, one.lag) for one in experiment.transforms.target] == [
        ("log1p", 1),
        ("difference", 7),
    ]
    assert experiment.model.units == (32, 16)
    assert experiment.training.learning_rate == 0.0001
    assert experiment.training.patience is None
    assert (experiment.evaluation.test_size, experiment.evaluation.validation_size) == (24, 0.25)
    assert isinstance(experiment.model.dropout, float)  # a whole number may stand for a number


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "weather.yaml").write_text("name: a")
    (tmp_path / "latin.yaml").write_bytes("name: a\ndata: {source: é}".encode("latin-1"))
    with pytest.raises(
        ConfigError, match=r"wether\.yaml: no such file.*did you mean 'weather\.yaml'"
    ):
        load_experiment(tmp_path / "wether.yaml")
    with pytest.raises(ConfigError, match=r"no such file"):
        load_experiment(tmp_path / "none" / "a.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_experiment(tmp_path)
    with pytest.raises(ConfigError, match=r"latin\.yaml, line 2: is not UTF-8"):
        load_experiment(tmp_path / "latin.yaml")
    (tmp_path / "big.yaml").write_bytes("é".encode() * 2**17 + b"x")
    with pytest.raises(ConfigError, match="more than 262144 bytes"):
        load_experiment(tmp_path / "big.yaml")


def test_overrides_replace_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("model: {units: [8, 8], num_layers: 2}\ntraining: {seed: 3}")
    experiment = load_experiment(
        path, ["model.units=64", "training.learning_rate=1e-2", "data.tz=UTC"]
    )
    assert (experiment.model.units, experiment.model.num_layers) == (64, 2)
    assert (experiment.training.learning_rate, experiment.training.seed, experiment.data.tz) == (
        0.01,
        3,
        "UTC",
    )
    assert load_experiment(None, ["training.seed=1", "training.seed=2"]).training.seed == 2
    assert load_experiment(None) == Experiment()


def test_overrides_leave_the_given_settings_alone() -> None:
    given_settings = {"model": {"units": 3}}
    changed = apply_overrides(
        given_settings, ["model.units=[1, 2]", "data.freq=h", "training.patience=null"]
    )
    assert changed == {
        "model": {"units": [1, 2]},
        "data": {"freq": "h"},
        "training": {"patience": None},
    }
    assert given_settings == {"model": {"units": 3}}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.units", "--set model.units: expected a setting and its value"),
        ("=3", "--set =3: expected a setting and its value"),
        ("model..units=3", "expected a setting and its value"),
        ("model.units=", "write model.units=null for none"),
        ("model.units='64'", "--set model.units='64': model.units is \"64\"; expected"),
        ("model.units=[8, 0]", "--set model.units=[8, 0]: model.units[1] is 0"),
        (
            "model.unit=3",
            "--set model.unit=3: model.unit is no setting; did you mean 'model.units'?",
        ),
        ("name.first=3", "--set name.first=3: name is my, not a section".replace("my", '"my"')),
        (
            "training.learning_rate=.inf",
            "--set training.learning_rate=.inf, line 1: .inf is not a finite",
        ),
        ("model.units=[1", "not valid YAML"),
        ("model=3", "--set model=3: model is 3; expected settings such as"),
    ],
)
def test_bad_overrides_are_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiment("name: my", [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_from_elsewhere_are_checked_as_strictly() -> None:
    base = experiment_from({"model": {"units": [4, 2], "num_layers": 2}})
    assert base.model.units == (4, 2)
    changed = experiment_from(apply_overrides(base.model_dump(mode="json"), ["model.units=8"]))
    assert changed == with_settings({"model.units": 8, "model.num_layers": 2})
    with pytest.raises(ConfigError, match=r'^model\.units is "8"; expected a whole number'):
        experiment_from({"model": {"units": "8"}})


def test_an_override_is_blamed_for_what_it_brings() -> None:
    with pytest.raises(ConfigError, match=r"^--set model\.units=\[0\]: model\.units\[0\] is 0"):
        parse_experiment("model: {units: [8]}", ["model.units=[0]"])


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"a{number}: 1\n" for number in range(5000)),
        "data: {target_cols: [" + "1," * 14000 + "]}",
    ],
    ids=["keys", "entries"],
)
def test_many_errors_take_no_longer_than_reading(text: str) -> None:
    started = time.process_time()
    parse_yaml(text, "x")
    reading = time.process_time() - started
    with pytest.raises(ConfigError, match=r"\(and \d+ more\)"):
        parse_experiment(text)
    assert time.process_time() - started < 4 * reading + 1


def test_an_override_can_mend_what_a_file_lacks() -> None:
    text = "data: {gaps: fill}"
    with pytest.raises(ConfigError):
        parse_experiment(text)
    assert parse_experiment(text, ["data.missing=zero"]).data.missing == "zero"


EXAMPLES = {
    **{path: variants(path)[1] for path, value in ALTERNATIVES.items() if value is not None},
    **{name: with_settings(settings) for name, settings in ACCEPTED.items()},
}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("experiment", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_what_is_written_reads_back_equal(experiment: Experiment, full: bool) -> None:
    assert parse_experiment(dump_experiment(experiment, full=full)) == experiment


def test_short_form_holds_what_was_given_only() -> None:
    text = dump_experiment(
        with_settings({"training.seed": 5, "training.refit": False, "model.units": 8})
    )
    assert yaml.safe_load(text) == {
        "model": {"name": "segment_bigru", "units": 8},
        "training": {"seed": 5, "refit": False},
    }


def test_full_form_holds_every_setting() -> None:
    written = yaml.safe_load(dump_experiment(Experiment(model=BiGRUConfig()), full=True))

    def paths(value: Any, prefix: str = "") -> list[str]:
        if not isinstance(value, dict):
            return [prefix]
        return [
            path
            for name, one in value.items()
            for path in paths(one, f"{prefix}.{name}".lstrip("."))
        ]

    of_another_model = {"model.segment_length", "model.channels"}
    expected = {path for path in settings_of(Experiment) if "[]" not in path}
    expected = {
        "search",
        *(path for path in expected if not path.startswith("search.")),
    }  # there is none
    assert sorted(paths(written)) == sorted(expected - of_another_model)
    default = yaml.safe_load(dump_experiment(Experiment(), full=True))
    assert sorted(paths(default)) == sorted(expected)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    texts
    | st.sampled_from(list(CORE))
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other) and (
        not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other)
    )


@example("a\x85b")
@example("a\u2028b")
@example({"on": "1e3", "": ["010", "0o7"]})
@given(trees)
def test_any_value_survives_yaml(value: Any) -> None:
    assert same(parse_yaml(to_yaml(value), "x").value, value)


@given(st.floats(min_value=1e-300, max_value=10.0), texts.filter(bool))
def test_settings_survive_yaml_to_the_last_bit(rate: float, text: str) -> None:
    experiment = with_settings(
        {"training.learning_rate": rate, "data.id_col": f"{text}!", "data.time_format": f"%{text}"}
    )
    again = parse_experiment(dump_experiment(experiment))
    assert again == experiment
    assert again.training.learning_rate.hex() == rate.hex()


@given(st.text("abc:-[]{}&*!|>'\"%@`#,?. \n\t\\\x00\u00850123456789eE+~<=", max_size=40))
def test_no_text_gets_past_the_error_class(text: str) -> None:
    message = ""
    try:
        assert (
            parse_experiment(text) == Experiment()
        )  # `{}`; no other setting can be spelled with these letters
    except ConfigError as error:
        message = str(error)
    assert "\n" not in message


def test_paths_and_table_name_every_setting() -> None:
    expected = [path for path in settings_of(Experiment) if "[]" not in path and "{}" not in path]
    assert sorted(setting_paths()) == expected
    rows = reference_table().splitlines()[2:]
    assert sorted({row.split("`")[1] for row in rows}) == expected
    assert len(set(rows)) == len(rows)
    decoders = [row for row in rows if row.startswith("| `model.decoder` |")]
    assert [row.split("(`")[1].split("`")[0] for row in decoders] == ["bigru", "segment_bigru"]
    assert (
        "| `model.recurrent_dropout` | `0.0` | a number of at least 0 and below 1 | "
        in reference_table()
    )


def resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node


def test_schema_refuses_unknown_keys_and_knows_the_defaults() -> None:
    schema = json_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    for name, section in [("top", schema), *schema["$defs"].items()]:
        assert section["additionalProperties"] is False, name
    defaults = Experiment().model_dump(mode="json")
    sections = {name: resolved(schema, node) for name, node in schema["properties"].items()}
    models = [resolved(schema, one) for one in sections["model"]["oneOf"]]
    assert [one["properties"]["name"]["const"] for one in models] == list(MODELS)
    sections["model"] = models[list(MODELS).index(defaults["model"]["name"])]
    for name in ("data", "windows", "model", "training", "ensemble", "evaluation"):
        for key, node in sections[name]["properties"].items():
            assert node["default"] == defaults[name][key]
            assert node["description"]


def test_the_page_shows_the_current_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert with_table(page) == page, (
        'regenerate it: python -c "from pathlib import Path; from forecast.experiment.schema '
        "import with_table; "
        "page = Path('docs/configuration.md'); page.write_text(with_table(page.read_text()))\""
    )
