# A worker: a Kedro project and the libraries of its nodes. No Dagster.
#
#   docker build -f worker.Dockerfile -t my-project PROJECT_FOLDER
#
# Wheels in PROJECT_FOLDER/wheels go before those of the package index.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS libraries
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/venv
WORKDIR /build
# What changes least comes first: a change of code rebuilds nothing of this.
COPY requirements.txt wheels* ./
RUN /opt/venv/bin/pip install --find-links . 'kedro-dagster-pipes[kedro]' -r requirements.txt \
    && /opt/venv/bin/pip uninstall --yes pip setuptools

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Kedro worker" \
      org.opencontainers.image.description="Runs groups of Kedro nodes for Dagster"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives \
    && useradd --uid 10001 --create-home kedro
COPY --from=libraries /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 DO_NOT_TRACK=1
WORKDIR /project
COPY --chown=kedro . .
USER 10001
ENTRYPOINT ["tini", "-s", "--"]
CMD ["python", "-m", "kedro_pipes"]
