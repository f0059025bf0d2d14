"""An exported table as Parquet. Importing this module needs pyarrow (the extra `data`)."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from bot.report.profit.export import ExportTable


def as_parquet(table: ExportTable) -> bytes:
    """The table with columns of text, as in CSV: amounts keep all of their digits."""
    columns = {name: pa.array([row[i] for row in table.rows], pa.string()) for i, name in enumerate(table.columns)}
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()
