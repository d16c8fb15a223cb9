"""Everything that is wrong with a table of labelled sequences, without training on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from forecast.axes import IntArray
from forecast.classification.class_settings import Classification, SplitSettings
from forecast.classification.encoding import Encoding
from forecast.classification.label_sets.label_cells import parts_of
from forecast.classification.same_contents import refuse_repeated
from forecast.classification.sequence_split import (
    SequenceSplit,
    known_sequences,
    refuse_unseen,
    split_sequences,
)
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.sequence_roles import for_sequences
from forecast.classification.tables.sequence_table import read_sequences
from forecast.data.findings import (
    BadTableError,
    Finding,
    FindingLog,
    and_more,
    counted,
    report_lines,
)
from forecast.data.formats.readers import Source
from forecast.data.names import sorted_names
from forecast.errors import DataError
from forecast.section import AUTO

SHOWN_LABELS = 8
"""Labels that a report names."""


@dataclass(frozen=True, eq=False)
class SequenceDiagnosis:
    """Findings about a table of sequences, and what was read.

    Attributes:
        findings: errors first, then notes.
        sequences: that were read; None where there is an error in them.
        split: their sets; None where there is an error.
    """

    findings: tuple[Finding, ...]
    sequences: Sequences | None = None
    split: SequenceSplit | None = None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings for which the table is refused."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def num_rows(self) -> int:
        """Rows of all sequences together."""
        return 0 if self.sequences is None else int(self.sequences.offsets[-1])

    def text(self) -> str:
        """Return the report for a terminal, several lines."""
        lines = []
        if self.sequences is not None:
            lines += _about(self.sequences)
        if self.split is not None:
            split = self.split
            sizes = (len(split.train), len(split.validation), len(split.test))
            lines.append("sets        {} train, {} validation, {} test".format(*sizes))
        return "\n".join([*lines, *report_lines(self.findings, 12)])


def _about(sequences: Sequences) -> list[str]:
    """Describe the sequences of a table."""
    columns = sequences.columns
    lengths = sequences.lengths
    steps = counted(int(lengths.min()), "step")
    if lengths.min() < lengths.max():
        steps = f"{lengths.min():,} to {counted(int(lengths.max()), 'step')}"
    what = "documents" if columns.text_col is not None else "sequences"
    lines = [f"{what:<11} {sequences.num_sequences:,} of {steps}"]
    if sequences.labels is not None:
        counts = Counter(part for label in sequences.labels for part in parts_of(label))
        shown = [f"{name} ({counts[name]:,})" for name in sorted_names(counts)[:SHOWN_LABELS]]
        lines.append(f"labels      {', '.join(shown)}{and_more(len(counts), SHOWN_LABELS)}")
    numbers = [] if columns.features == AUTO else list(columns.features)
    roles = {
        "id": [columns.id_col],
        "step": [columns.step_col or "none: in the order of the table"],
        "label": list(columns.label_cols or [str(columns.label_col)]),
        "text": [columns.text_col] if columns.text_col is not None else [],
        "numbers": numbers,
        "categories": list(columns.categorical),
    }
    if columns.text_col is not None:
        roles["step"] = []
    lines += [f"{role:<11} {', '.join(names)}" for role, names in roles.items() if names]
    return lines


def check_sequences(config: Classification, source: Source) -> SequenceDiagnosis:
    """Return all findings about a table of labelled sequences.

    A table without an error goes through every stage before the training of `Classifier.fit`.

    Args:
        config: the settings.
        source: the table.

    Example:
        >>> import pandas as pd
        >>> from forecast import Classification
        >>> from forecast.classification.check_sequences import check_sequences
        >>> table = pd.DataFrame({"id": [*"aab"], "x": ["1,5", "2", "3"], "label": [*"uud"]})
        >>> check_sequences(Classification(), table).errors[0].settings
        ({'data.decimal': ','},)
    """
    log = FindingLog(strict=False)
    sequences = None
    split = None
    try:
        sequences = read_sequences(source, config.data, config.text, log=log)
        if not log.failed:
            split = checked_split(sequences, config.split)
            Encoding.fit(known_sequences(sequences, split), config.text)
    except BadTableError as error:
        log.findings.append(error.finding)
    except DataError as error:
        log.findings.append(Finding("not_prepared", "error", str(error)))
    errors = [for_sequences(found) for found in log.findings if found.severity == "error"]
    notes: tuple[str, ...] = ()
    if errors:
        split = None
    elif sequences is not None:
        notes = sequences.notes
    findings = (*errors, *(Finding("read", "note", note) for note in notes))
    return SequenceDiagnosis(findings, sequences, split)


def checked_split(sequences: Sequences, settings: SplitSettings) -> SequenceSplit:
    """Divide sequences into sets that can be learned from and judged on.

    Raises:
        DataError: a label is in the test set alone, or a document is in two sets.
    """
    split = split_sequences(sequences, settings)
    refuse_unseen(sequences, split)
    if settings.repeated == "refuse":
        refuse_repeated(sequences, learned_and_test(split))
    return split


def learned_and_test(split: SequenceSplit) -> dict[str, IntArray]:
    """Return the numbers of the sequences that are learned from, and of those that judge."""
    learned = np.concatenate([split.train, split.validation])
    return {"training": learned, "test": split.test}
