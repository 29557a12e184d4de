-- The tables of QuestDB, made where they are missing by `coinlake questdb apply`. A column that is added later is an
-- ALTER TABLE ... ADD COLUMN IF NOT EXISTS below its table. Statements end with a semicolon at the end of a line.

CREATE TABLE IF NOT EXISTS alt_liquidations (
    event_time TIMESTAMP,
    venue SYMBOL,
    symbol SYMBOL,
    base SYMBOL,
    quote SYMBOL,
    side SYMBOL,
    quantity DECIMAL(38, 18),
    filled_quantity DECIMAL(38, 18),
    bankruptcy_price DECIMAL(38, 18),
    average_price DECIMAL(38, 18),
    notional DECIMAL(38, 8),
    sampled BOOLEAN,
    ingest_time TIMESTAMP,
    kafka_time TIMESTAMP
) TIMESTAMP(event_time) PARTITION BY DAY WAL
DEDUP UPSERT KEYS(event_time, venue, symbol, side);
