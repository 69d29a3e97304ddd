"""Lines of `user item item ...` decoded by SQL."""

from nmtr_tf.data import sql
from nmtr_tf.data.logs.decoding import Check, id_checks

LINE_CHECKS = (Check("line", "line IS NOT NULL", "UTF-8 text"), *id_checks("id", "int", "")[1:])
"""What a line and its fields have to be."""


def decode_lines(connection: sql.Connection) -> None:
    """Makes `decoded` of the lines in `raw`: a row for each item, and for each bad field."""
    digits, below = (check.passes for check in LINE_CHECKS[1:])
    connection.execute("""
        CREATE OR REPLACE TABLE fields AS
        SELECT row, generate_subscripts(texts, 1) AS field, unnest(texts) AS id
        FROM (SELECT row, regexp_extract_all(line, '[^ \\t\\r\\n\\f\\v]+') AS texts FROM raw)""")
    connection.execute(f"""
        CREATE OR REPLACE TABLE wrong AS
        SELECT row, 0 AS field, 0 AS bad, line AS text FROM raw WHERE line IS NULL
        UNION ALL
        SELECT row, field, CASE WHEN {digits} THEN 2 ELSE 1 END, id FROM fields
        WHERE NOT ({digits} AND {below})""")
    connection.execute("""
        CREATE OR REPLACE TABLE decoded AS
        SELECT items.row, users.id::BIGINT AS "user", items.id::BIGINT AS item, NULL::TINYINT AS code,
            NULL::BIGINT AS time, NULL::INTEGER AS bad, items.field, NULL AS text
        FROM fields AS items JOIN fields AS users ON users.row = items.row AND users.field = 1
        WHERE items.field > 1 AND items.row NOT IN (SELECT row FROM wrong)
        UNION ALL
        SELECT row, NULL, NULL, NULL, NULL, bad, field, text FROM wrong""")
