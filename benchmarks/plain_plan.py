"""The plain plan: the same market, the way it is written on the first day with Spark. FROZEN.

    spark-submit benchmarks/plain_plan.py

`make bench` runs it beside `spark_jobs/process_markets.py`, on the same topics. It is what our job is measured against,
so it must not improve or get worse with our job: change it only where a topic changes, and measure everything anew.

It is a fair plan, with Spark's own defaults: two Kafka sources, typed by `from_json` with the decimals of our tables,
a watermark on each, a stream-stream join on coin and a range of time, 10-minute candles in append mode, Parquet files
by coin and date.

What it does not do that ours does: no bronze tables (history is gone with the topics), no table of joined rows, no
rejected rows (a value that does not fit stops it), no deduplication, no nearest ticker (every ticker within 30 s is a
sample), no candle of a window that is still open, nothing late, no rebuild, no lease. Its market cap knows no quote
older than its window. Its TMN prices have 6 places: the product of two decimal(38,18) is a decimal(38,6).
"""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from contracts.settings import KafkaSettings, LakeSettings

QUOTE = """
    venue STRING, event_time TIMESTAMP, ingest_time TIMESTAMP, poll_time TIMESTAMP, cmc_id BIGINT, coin STRING,
    symbol STRING, name STRING, quote STRING, price DECIMAL(38,18), cmc_rank BIGINT, market_cap DECIMAL(38,8),
    volume_24h DECIMAL(38,8), circulating_supply DECIMAL(38,8), percent_change_24h DECIMAL(38,18)
"""
TICKER = """
    venue STRING, event_time TIMESTAMP, ingest_time TIMESTAMP, symbol STRING, base STRING, quote STRING,
    price DECIMAL(38,18), usdt_tmn DECIMAL(38,18), bid_price DECIMAL(38,18), ask_price DECIMAL(38,18),
    volume_24h DECIMAL(38,18), quote_volume_24h DECIMAL(38,8)
"""


def records(messages: DataFrame, schema: str) -> DataFrame:
    """Read wire JSON into typed columns."""
    return messages.select(F.from_json(F.col("value").cast("string"), schema).alias("record")).select("record.*")


def base_prices(quotes: DataFrame, tickers: DataFrame) -> DataFrame:
    """Join every quote with every ticker of its coin within 30 s: a TMN price each."""
    within = "ticker_time BETWEEN event_time - INTERVAL 30 SECONDS AND event_time + INTERVAL 30 SECONDS"
    of_tickers = tickers.where("price IS NOT NULL").select("base", F.col("event_time").alias("ticker_time"), "usdt_tmn")
    return quotes.join(of_tickers, F.expr(f"coin = base AND {within}")).select(
        F.lit("base_tmn").alias("venue"),
        "coin",
        F.lit("TMN").alias("quote"),
        "event_time",
        (F.col("price") * F.col("usdt_tmn")).alias("price"),
    )


def quote_prices(quotes: DataFrame) -> DataFrame:
    """Choose what a candle of CoinMarketCap's own prices needs."""
    return quotes.select("venue", "coin", "quote", "event_time", "price")


def ticker_prices(tickers: DataFrame) -> DataFrame:
    """Choose what a candle of Wallex's own prices needs."""
    return tickers.where("price IS NOT NULL").select(
        "venue", F.col("base").alias("coin"), "quote", "event_time", "price"
    )


def candles(prices: DataFrame) -> DataFrame:
    """Cut price series into 10-minute candles."""
    return (
        prices.groupBy("venue", "coin", "quote", F.window("event_time", "10 minutes").alias("window"))
        .agg(
            F.min_by("price", "event_time").alias("open"),
            F.max("price").alias("high"),
            F.min("price").alias("low"),
            F.max_by("price", "event_time").alias("close"),
            F.avg("price").alias("average"),
            F.count("price").alias("samples"),
        )
        .select(
            *("venue", "coin", "quote"),
            F.col("window.start").alias("open_time"),
            F.col("window.end").alias("close_time"),
            *("open", "high", "low", "close", "average", "samples"),
            F.to_date("window.start").alias("date"),
        )
    )


def market_cap(quotes: DataFrame) -> DataFrame:
    """Sum each coin's newest market cap of every 10 minutes."""
    newest = quotes.groupBy("cmc_id", F.window("event_time", "10 minutes").alias("window")).agg(
        F.max_by("market_cap", "event_time").alias("market_cap")
    )
    return (
        newest.groupBy("window")
        .agg(F.sum("market_cap").alias("market_cap"), F.count("market_cap").alias("coins"))
        .select(
            F.col("window.start").alias("open_time"),
            F.col("window.end").alias("close_time"),
            *("market_cap", "coins"),
            F.to_date("window.start").alias("date"),
        )
    )


def read(spark: SparkSession, topic: str) -> DataFrame:
    """Read a topic from its beginning."""
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", KafkaSettings.load().kafka_bootstrap_servers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .load()
    )


def write(rows: DataFrame, name: str, *folders: str) -> StreamingQuery:
    """Start writing Parquet files, all there is to write, then end."""
    lake = LakeSettings.load()
    return (
        rows.writeStream.queryName(name)
        .format("parquet")
        .outputMode("append")
        .partitionBy(*folders)
        .option("path", f"{lake.lake}/{name}")
        .option("checkpointLocation", f"{lake.state}/{name}")
        .trigger(availableNow=True)
        .start()
    )


def open_session() -> SparkSession:
    """Open a session that reaches the object store."""
    spark = SparkSession.builder.appName("plain plan").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    lake = LakeSettings.load()
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    hadoop.set("fs.s3a.endpoint", lake.s3_endpoint)
    hadoop.set("fs.s3a.endpoint.region", lake.s3_region)
    hadoop.set("fs.s3a.path.style.access", "true")
    hadoop.set("fs.s3a.connection.ssl.enabled", str(lake.s3_endpoint.startswith("https")).lower())
    hadoop.set("fs.s3a.aws.credentials.provider", "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider")
    hadoop.set("fs.s3a.access.key", lake.s3_access_key.get_secret_value())
    hadoop.set("fs.s3a.secret.key", lake.s3_secret_key.get_secret_value())
    return spark


def main() -> None:
    """Read both topics, write candles and market cap, end when all of it is done."""
    spark = open_session()
    quotes = records(read(spark, "coin_market_cap"), QUOTE).withWatermark("event_time", "15 minutes")
    tickers = records(read(spark, "wallex"), TICKER).withWatermark("event_time", "2 minutes")
    queries = [
        write(candles(quote_prices(quotes)), "candles_coin_market_cap", "coin", "date"),
        write(candles(ticker_prices(tickers)), "candles_wallex", "coin", "date"),
        write(candles(base_prices(quotes, tickers)), "candles_base_tmn", "coin", "date"),
        write(market_cap(quotes), "market_cap", "date"),
    ]
    for query in queries:
        query.awaitTermination()
    spark.stop()


if __name__ == "__main__":
    main()
