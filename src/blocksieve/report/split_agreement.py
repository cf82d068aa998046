"""The report's section on how far a dataset's source splits agree on the order of blocks."""

import polars as pl

from blocksieve.report.columns import Column, interval, signed, table_section, text, unsigned
from blocksieve.report.section import Section


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return one row per dataset and pair of splits."""
    pairs = table.unique(["dataset", "split_a", "split_b"], maintain_order=True)
    columns = [
        text("dataset"),
        Column("splits", lambda record: f"{record['split_a']}/{record['split_b']}"),
        Column("samples", lambda record: f"{record['samples_a']:,}/{record['samples_b']:,}"),
        signed("Spearman", "spearman"),
        interval("spearman"),
        signed("by noise", "noise_spearman"),
        unsigned("q", digits=3),
    ]
    section = table_section(
        title="Agreement of the source splits on the order of blocks",
        notes=[
            "by noise: the mean correlation where the same samples are dealt to two parts at"
            " random. q: up to 0.05 the splits differ by more than noise (permutation test,"
            " adjusted over these pairs)."
        ],
        columns=columns,
        records=pairs.to_dicts(),
        text_columns=3,
    )
    return [section]
