#!/bin/bash
# One run of the processor with its executors as pods: the driver is the pod that runs this (client mode), so its end
# is the end of the run, and its executors, which it owns, end with it.
#   submit.sh [JOB [ARGUMENT...]]      JOB: process_markets (the default) or rebuild
# POD_NAME and POD_IP are this pod's own.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
python=${PYSPARK_PYTHON:-/opt/coinlake/venv/bin/python}
jars=/opt/coinlake/jars
package() { "$python" -c "import importlib.util as u; print(u.find_spec('$1').submodule_search_locations[0])"; }

if [ $# -eq 0 ]; then
  set -- process_markets --trigger available-now
fi
job=$1
shift

conf=$(package infra.spark)
export PYSPARK_PYTHON=$python PYSPARK_DRIVER_PYTHON=$python
exec "${SPARK_HOME:-/opt/spark}/bin/spark-submit" \
  --master "k8s://${KUBERNETES_API:-https://kubernetes.default.svc}" \
  --deploy-mode client \
  --name "coinlake ${job//_/-}" \
  --properties-file "$conf/spark-defaults.conf" \
  --driver-java-options "-Dlog4j2.configurationFile=file:$conf/log4j2.properties" \
  --driver-memory "${COINLAKE_SPARK_DRIVER_MEMORY:-1g}" \
  --executor-memory "${COINLAKE_SPARK_EXECUTOR_MEMORY:-1g}" \
  --num-executors 2 \
  --executor-cores 1 \
  --conf "spark.driver.host=$POD_IP" \
  --conf spark.driver.bindAddress=0.0.0.0 \
  --conf spark.driver.port=7078 \
  --conf spark.blockManager.port=7079 \
  --conf spark.kubernetes.namespace=coinlake \
  --conf "spark.kubernetes.driver.pod.name=$POD_NAME" \
  --conf spark.kubernetes.container.image=coinlake:0.1.0 \
  --conf spark.kubernetes.executor.podTemplateFile="$here/executor.yaml" \
  --conf spark.kubernetes.executor.podTemplateContainerName=executor \
  --conf "spark.driver.extraClassPath=$jars/*" \
  --conf "spark.executor.extraClassPath=$jars/*" \
  --conf spark.sql.warehouse.dir=/tmp/warehouse \
  "$(package spark_jobs)/$job.py" "$@"
