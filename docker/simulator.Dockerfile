# syntax=docker/dockerfile:1
# The simulated Azure of docker/compose.yaml; the daemon's image is docker/Dockerfile.
# Built from the repository's root: docker build -f docker/simulator.Dockerfile -t plumbline-simulator .
ARG BASE=debian:12
FROM ${BASE} AS build
WORKDIR /src
COPY scripts/install-packages scripts/packages.txt scripts/
RUN sed '/^# tests/,$d' scripts/packages.txt >/tmp/packages.txt \
 && echo ca-certificates >>/tmp/packages.txt \
 && scripts/install-packages /tmp/packages.txt
ENV CCACHE_DIR=/ccache
COPY . .
RUN --mount=type=cache,target=/ccache \
    cmake --preset release \
 && cmake --build --preset release --target plumbline-simulator \
 && DESTDIR=/image cmake --install build/release --prefix /usr --component simulator --strip
RUN docker/collect-runtime /image /usr/bin/plumbline-simulator \
 && install -d /image/scenarios && cp -R simulator/scenarios/contoso /image/scenarios/ \
 && install -d -m 0755 /state/azure

FROM scratch
COPY --from=build /image/ /
# Where its certificate goes, for the daemon to read.
COPY --from=build --chown=65532:65532 /state/ /var/lib/
USER 65532:65532
VOLUME /var/lib/azure
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/plumbline-simulator"]
CMD ["--scenario", "/scenarios/contoso"]
