# Stands between Dagster and the Docker engine; what it lets through is in haproxy.cfg.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Docker engine proxy" \
      org.opencontainers.image.description="Lets Dagster start containers, and little else"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends haproxy tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives /var/log/*
COPY docker/haproxy.cfg /etc/haproxy/haproxy.cfg
EXPOSE 2375
HEALTHCHECK --interval=10s --start-period=10s --timeout=5s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/localhost/2375 && printf 'GET /_ping HTTP/1.0\r\n\r\n' >&3 && grep -q 'HTTP/1.. 200' <&3"]
ENTRYPOINT ["tini", "-s", "--"]
CMD ["haproxy", "-f", "/etc/haproxy/haproxy.cfg"]
