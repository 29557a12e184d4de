#!/bin/sh
# The entry point of the coinlake image: one word chooses what runs, in the foreground and in place of this shell, so
# that signals reach it. It works outside of a container too, where `coinlake` is on PATH and, for a Spark master or
# worker, SPARK_HOME is set.
set -eu

usage() {
    cat << 'EOF'
usage: entrypoint.sh COMMAND [ARGUMENT ...]

  generate         poll the venues into Kafka
  process          land, join, build, publish
  rebuild          compute a range anew, or only count what is missing
  backfill         import archive files, or klines over REST
  maintain         merge small files, remove old ones
  moving-average   a window that slides over the trades, for the live chart
  serve-live       the live chart
  serve-query      the query API
  serve-dashboard  the dashboard
  simulate         the venues, generated or recorded
  record           make a recording from the live venues
  import           make a recording from snapshots of real answers
  import-posts     posts out of a file into Kafka
  export           hdf5: prices as bars, and scored posts, a file a day
  topics           apply | list | try
  buckets          apply
  questdb          apply: the tables of QuestDB
  connect          apply: the connectors of Kafka Connect
  lease            who writes the tables
  show             a coin's candles
  explain          one candle, back to its messages
  gaps             the holes on record
  tail             messages of topics, over Kafka or ZeroMQ
  asof             what the tables said at a time
  reconcile        candles beside the exchange's own
  env              export lines for pandas, DuckDB and others
  shell            a Spark shell on the lake
  spark-master     Spark's standalone master
  spark-worker     Spark's standalone worker
  driver           Spark on Kubernetes
  executor         Spark on Kubernetes
  help             this text

Arguments go to the command: `entrypoint.sh generate --help`. Settings are COINLAKE_ variables, see .env.example.
EOF
}

command=${1:-help}

case "${command}" in
    generate | process | rebuild | backfill | maintain | simulate | record | import | topics | buckets | lease)
        exec coinlake "$@"
        ;;
    import-posts | export | questdb | connect)
        exec coinlake "$@"
        ;;
    moving-average | serve-live | serve-query | serve-dashboard)
        exec coinlake "$@"
        ;;
    show | explain | gaps | tail | asof | reconcile | env | shell)
        exec coinlake "$@"
        ;;
    spark-master)
        shift
        exec "${SPARK_HOME:?expected the folder of a Spark}/bin/spark-class" org.apache.spark.deploy.master.Master "$@"
        ;;
    spark-worker)
        shift
        exec "${SPARK_HOME:?expected the folder of a Spark}/bin/spark-class" org.apache.spark.deploy.worker.Worker "$@"
        ;;
    driver | executor)
        # Kubernetes starts the image of a job with these words, which Spark's own entry point understands.
        exec /opt/entrypoint.sh "$@"
        ;;
    help | -h | --help)
        usage
        ;;
    *)
        echo "entrypoint.sh: unknown command '${command}': \`entrypoint.sh help\` lists the commands" >&2
        exit 2
        ;;
esac
