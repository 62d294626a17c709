# Builds the server from this checkout:  docker build -t ordo .
# Runs it with its orders in a volume:   docker run -p 127.0.0.1:8080:8080 -v ordo-data:/data ordo

FROM rust:1-bookworm AS build
WORKDIR /source

# The dependencies, in a layer that stays until a manifest changes: empty sources, and no benches or examples to look for.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY actors/Cargo.toml actors/
RUN for manifest in Cargo.toml actors/Cargo.toml; do \
        awk '/^\[/ { skip = /^\[\[/ } !skip' "$manifest" > stripped && mv stripped "$manifest" || exit 1; \
    done \
    && mkdir -p src actors/src \
    && touch src/lib.rs actors/src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked --bin ordo

# The server. The roots are touched because the empty ones were built later than they were written.
COPY . .
RUN touch src/lib.rs src/main.rs actors/src/lib.rs \
    && cargo build --release --locked --bin ordo

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin ordo \
    && install -d -o ordo -g ordo -m 0700 /data
COPY --from=build /source/target/release/ordo /usr/local/bin/ordo
USER ordo
WORKDIR /data
VOLUME /data
ENV ORDO_STORE=sqlite:/data/ordo.db ORDO_LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["ordo", "health"]
ENTRYPOINT ["ordo"]
CMD ["serve"]
