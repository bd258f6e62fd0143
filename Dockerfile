# A small image with one binary in it, run by nobody in particular.
#
#   docker build -t kith .
#   docker run -p 8080:8080 -v kith-data:/data kith
FROM rust:1.95-slim-bookworm AS build
# perl and make build OpenSSL, for TLS to PostgreSQL; a C compiler builds SQLite and libpq.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev make perl && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --features postgres-tls && cp target/release/kith /kith && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /kith /usr/local/bin/kith
COPY --from=build --chown=nonroot:nonroot /data /data
# Where OpenSSL, which is compiled in, finds the authorities for sslrootcert=system.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ENV KITH_HOST=0.0.0.0 KITH_PORT=8080 KITH_DATABASE_URL=sqlite:/data/kith.db KITH_LOG_FORMAT=json
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["kith", "healthcheck"]
ENTRYPOINT ["kith"]
CMD ["serve"]
