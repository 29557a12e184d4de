# One image for everything of coinlake that runs in a container: generator, processor, simulator, the live chart's server,
# Spark master and worker. Targets of their own are `minio`, an object store, `connect`, Kafka Connect with QuestDB's connector,
# and `coinlake-live`, the moving average on the Spark that has Real-Time Mode. docs/containers.md says what was checked of it
# and what was not.

# --- The jars that Spark needs beside its own ---------------------------------------------------------------------
# Tag seen in public Dockerfiles (hapi-fhir-jpaserver-starter builds from it).
FROM maven:3.9.12-eclipse-temurin-17 AS jars
WORKDIR /build
COPY infra/jars/spark-pom.xml pom.xml
RUN --mount=type=cache,target=/root/.m2 \
    mvn --batch-mode --no-transfer-progress -Djars.folder=/opt/coinlake/jars \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy

# --- MinIO, built from source as the embedded stack builds it (docs/decisions/0008) -------------------------------
# Tag seen in public Dockerfiles (operators and micro-services that build from it with its digest).
FROM golang:1.26.4-alpine3.23 AS minio-build
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOBIN=/out go install -trimpath -ldflags "-s -w" \
        github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c

# Tag seen in public Dockerfiles, beside the Go image above.
FROM alpine:3.23.4 AS minio
LABEL org.opencontainers.image.title="coinlake-minio" \
      org.opencontainers.image.description="MinIO, built from the source that coinlake is tested with" \
      org.opencontainers.image.licenses="AGPL-3.0-only"
COPY --from=minio-build /out/minio /usr/local/bin/minio
RUN adduser -D -H -u 10001 minio && install -d -o minio -g minio /data
ENV MINIO_UPDATE=off
USER 10001
VOLUME /data
EXPOSE 9000 9001
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --start-interval=1s \
    CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9000/minio/health/ready"]
ENTRYPOINT ["/usr/local/bin/minio"]
CMD ["server", "--quiet", "--address", ":9000", "--console-address", ":9001", "/data"]

# --- Kafka Connect with QuestDB's own connector -----------------------------------------------------------------------
# Tag seen in public Dockerfiles, beside the Go image above.
FROM alpine:3.23.4 AS connector
WORKDIR /build
# The newest release whose archive was seen in public files; none of them names its hash.
ADD https://github.com/questdb/kafka-questdb-connector/releases/download/v0.14/kafka-questdb-connector-0.14-bin.zip connector.zip
RUN unzip -q connector.zip -d /opt/connect && chmod -R a+rX /opt/connect

# Tag seen in public compose files and tests; the version of infra/jars/kafka-pom.xml.
FROM apache/kafka:4.3.1 AS connect
LABEL org.opencontainers.image.title="coinlake-connect" \
      org.opencontainers.image.description="Kafka Connect, with the sink for QuestDB" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=connector /opt/connect /opt/connect
COPY infra/connect/worker.properties /opt/kafka/config/coinlake-connect.properties
# The image's own user, as a number.
USER 1000
EXPOSE 8083
CMD ["/opt/kafka/bin/connect-distributed.sh", "/opt/kafka/config/coinlake-connect.properties"]

# --- The library that draws the live chart, its archive checked -----------------------------------------------------
# Tag seen in a public Dockerfile with its digest.
FROM node:24.14.1-alpine AS chart
WORKDIR /build
RUN npm pack lightweight-charts@5.2.1 \
    && echo "215c282b544b1622cfb9b68a22335bb6358b9e93ccaa20014ab4dacbac2198d6bc2f5fb5f76f7656d1c9f815b23d4b8b0b0174b5c42584459dd422c1d9ad67b1  lightweight-charts-5.2.1.tgz" > sums \
    && sha512sum -c sums \
    && tar -xzf lightweight-charts-5.2.1.tgz package/dist/lightweight-charts.standalone.production.mjs package/LICENSE \
    && mv package /opt/chart

# --- Spark --------------------------------------------------------------------------------------------------------
# Tag seen in three public repositories, in one of them with its digest. It carries Java 17 (Temurin on Ubuntu 22.04),
# Spark's own Python files and tini; its Python 3.10 is too old for us, so we bring our own.
FROM apache/spark:4.2.0-scala2.13-java17-python3-ubuntu AS spark

# --- Python and our packages, without pyspark: Spark's image has it already ---------------------------------------
FROM spark AS python
# hadolint ignore=DL3002
USER 0
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /build
ENV UV_PYTHON_INSTALL_DIR=/opt/coinlake/python \
    UV_PYTHON_PREFERENCE=only-managed \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1
COPY requirements.lock requirements-runtime.lock ./
# uv from the lock, its hash checked; a Python that uv knows the hash of; the packages of the lock, hashes checked.
RUN --mount=type=cache,target=/root/.cache \
    awk '/^uv==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements.lock > uv.txt \
    && python3 -m pip install --no-cache-dir --require-hashes --no-deps --target /build/uv --requirement uv.txt \
    && /build/uv/bin/uv python install 3.11.18 \
    && /build/uv/bin/uv venv --python 3.11.18 /opt/coinlake/venv \
    && /build/uv/bin/uv pip sync --require-hashes --python /opt/coinlake/venv requirements-runtime.lock
# pyspark and py4j of the Spark that is there, for every Python that starts in the environment.
RUN ls -d /opt/spark/python /opt/spark/python/lib/py4j-*-src.zip \
        > "$(/opt/coinlake/venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/spark.pth"
COPY pyproject.toml README.md ./
COPY contracts contracts
COPY ingest ingest
COPY sentiment sentiment
COPY spark_jobs spark_jobs
COPY serve serve
COPY simulator simulator
COPY infra infra
# setuptools, which builds the wheel, is of the lock too.
RUN --mount=type=cache,target=/root/.cache \
    /build/uv/bin/uv build --wheel --build-constraint requirements.lock --require-hashes --python /opt/coinlake/venv \
    && /build/uv/bin/uv pip install --no-deps --python /opt/coinlake/venv dist/*.whl \
    && /opt/coinlake/venv/bin/python -c 'import delta, pyspark, infra.cli'

# --- The Spark that has Real-Time Mode, every hash checked ------------------------------------------------------------
FROM python AS real-time
COPY infra/spark/real_time/requirements.lock real-time.lock
RUN --mount=type=cache,target=/root/.cache \
    /build/uv/bin/uv pip install --require-hashes --python /opt/coinlake/venv --target /opt/coinlake/real-time \
        -r real-time.lock

# --- What that Spark is extended by, compiled for it and for its Kafka connector --------------------------------------
FROM jars AS live-extension
COPY --from=real-time /opt/coinlake/real-time/pyspark/jars /opt/coinlake/spark-jars
COPY infra/spark/real_time/java java
RUN javac -proc:none --release 17 -cp "/opt/coinlake/spark-jars/*:/opt/coinlake/jars/*" -d /opt/coinlake/live-extension \
        java/coinlake/live/*.java

# --- coinlake -----------------------------------------------------------------------------------------------------
FROM spark AS coinlake
LABEL org.opencontainers.image.title="coinlake" \
      org.opencontainers.image.description="A crypto market lakehouse: generator, Spark jobs, simulator, Spark cluster" \
      org.opencontainers.image.version="0.1.0"
USER 0
COPY --from=jars /opt/coinlake/jars /opt/coinlake/jars
COPY --from=chart /opt/chart /opt/coinlake/chart
COPY --from=python /opt/coinlake/python /opt/coinlake/python
COPY --from=python /opt/coinlake/venv /opt/coinlake/venv
COPY --chmod=0755 entrypoint.sh /opt/coinlake/entrypoint.sh
RUN install -d -o spark -g spark /var/lib/coinlake
ENV PATH=/opt/coinlake/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYSPARK_PYTHON=/opt/coinlake/venv/bin/python \
    COINLAKE_HOME=/var/lib/coinlake \
    COINLAKE_SPARK_HOME=/opt/spark \
    COINLAKE_SPARK_JARS=/opt/coinlake/jars \
    COINLAKE_LIVE_CHART_LIBRARY=/opt/coinlake/chart/dist/lightweight-charts.standalone.production.mjs \
    XDG_CACHE_HOME=/var/lib/coinlake/cache \
    SPARK_WORKER_DIR=/var/lib/coinlake/work
# Spark's own user, as a number: Kubernetes can tell that it is not root.
USER 185
WORKDIR /var/lib/coinlake
# No HEALTHCHECK here: what healthy means differs by command, so docker-compose.yml says it for each service.
# tini reaps what Spark leaves behind and passes signals on; entrypoint.sh replaces itself by the command.
ENTRYPOINT ["/usr/bin/tini", "--", "/opt/coinlake/entrypoint.sh"]
CMD ["help"]

# --- coinlake with Real-Time Mode -----------------------------------------------------------------------------------
FROM coinlake AS coinlake-live
COPY --from=real-time /opt/coinlake/real-time /opt/coinlake/real-time
COPY --from=live-extension /opt/coinlake/live-extension /opt/coinlake/live-extension
ENV COINLAKE_SPARK_LIVE_HOME=/opt/coinlake/real-time/pyspark \
    COINLAKE_SPARK_LIVE_EXTENSION=/opt/coinlake/live-extension
