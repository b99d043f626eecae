# The binaries are built before (`make image`): nothing is fetched here, and the
# images hold nothing else. Volumes take over the owner of the directories.
FROM scratch AS simnet-gwat
COPY --chown=65532:65532 bin/empty /data
COPY --chown=65532:65532 bin/empty /network
COPY --chown=65532:65532 bin/empty /ipc
COPY bin/simnet /simnet
USER 65532:65532
VOLUME ["/data", "/network"]
ENV SIMNET_DATA_DIR=/data SIMNET_LISTEN=0.0.0.0:8545
EXPOSE 8545
HEALTHCHECK --interval=5s --timeout=4s --start-period=5s CMD ["/simnet", "healthcheck", "--url", "http://127.0.0.1:8545"]
ENTRYPOINT ["/simnet", "gwat"]

FROM scratch AS simnet-beacon
COPY --chown=65532:65532 bin/empty /data
COPY --chown=65532:65532 bin/empty /network
COPY bin/simnet /simnet
USER 65532:65532
VOLUME ["/data", "/network"]
ENV SIMNET_DATA_DIR=/data SIMNET_LISTEN=0.0.0.0:3500
EXPOSE 3500
HEALTHCHECK --interval=5s --timeout=4s --start-period=5s CMD ["/simnet", "healthcheck", "--url", "http://127.0.0.1:3500/eth/v1/node/version"]
ENTRYPOINT ["/simnet", "beacon"]

FROM scratch AS syncd
COPY --chown=65532:65532 bin/empty /data
COPY --chown=65532:65532 bin/empty /ipc
COPY bin/syncd /syncd
USER 65532:65532
VOLUME ["/data"]
ENV SYNCD_DATA_DIR=/data SYNCD_API_LISTEN=0.0.0.0:8650
EXPOSE 8650
# Healthy means that syncd lives: an orchestrator that replaces what is unhealthy
# must not do so in the hours of a first sync. Whether the pair works is what
# `syncd wait` and `syncd status` answer.
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s CMD ["/syncd", "healthcheck"]
ENTRYPOINT ["/syncd"]
CMD ["run"]
