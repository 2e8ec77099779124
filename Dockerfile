# syntax=docker/dockerfile:1
# The program `sluice` in a small image: built in the first stage, run by a user without rights in the second.

# This image carries what librdkafka's build needs: compilers, make, pkg-config, and the headers of OpenSSL and zlib.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
# The commit that `sluice --version` tells, for the repository itself stays outside:
#   docker build --build-arg SLUICE_COMMIT="$(git rev-parse --short=12 HEAD)" .
ARG SLUICE_COMMIT=
# Registry and object files stay in the builder's cache, so that a change of the source compiles only what depends on it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin sluice && \
    install -D target/release/sluice /out/sluice
# What is left names the functions of a backtrace. The lines of the source are the most of the file, and nobody debugs in the image.
RUN strip --strip-debug /out/sluice

FROM debian:bookworm-slim
RUN apt-get update && \
    apt-get install --yes --no-install-recommends ca-certificates libssl3 zlib1g && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --uid 10001 --home-dir /var/lib/sluice --create-home sluice && \
    install --directory --owner=sluice --group=sluice /var/lib/sluice/checkpoints
COPY --from=build /out/sluice /usr/local/bin/sluice
USER sluice
WORKDIR /var/lib/sluice
# Checkpoints; a volume made from it belongs to the user.
VOLUME /var/lib/sluice/checkpoints
EXPOSE 8080
ENTRYPOINT ["sluice"]
