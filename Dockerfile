# Builds the server from this checkout:  docker build -t ordo .
# Runs it with its orders in a volume:   docker run -p 127.0.0.1:8080:8080 -v ordo-data:/data ordo

FROM rust:1-bookworm AS build
WORKDIR /source
COPY . .
# The caches keep the compiled dependencies from one build to the next; the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin ordo \
    && install -D target/release/ordo /build/ordo

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin ordo \
    && install -d -o ordo -g ordo -m 0700 /data
COPY --from=build /build/ordo /usr/local/bin/ordo
USER ordo
WORKDIR /data
VOLUME /data
ENV ORDO_STORE=sqlite:/data/ordo.db ORDO_LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["ordo", "health"]
ENTRYPOINT ["ordo"]
CMD ["serve"]
