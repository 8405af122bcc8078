# syntax=docker/dockerfile:1

# docker build -t palleto .
# docker build -t palleto-step05 --build-arg STEP=step05_multiple_consumers --build-arg FEATURES= .

FROM rust:1.95-slim-trixie AS build
ARG STEP=step09_concurrent_processing
# Without otel, there is nothing of OpenTelemetry in the image.
ARG FEATURES=otel
WORKDIR /build
COPY . .
# The caches outlive the build: after a change of a source file, only our own crates are built again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --package "$STEP" --features "$FEATURES" \
    && cp "target/release/$STEP" /step \
    && mkdir -p /data/output

# The C library, certificates, a user without rights, and nothing else.
FROM gcr.io/distroless/cc-debian13:nonroot
COPY --from=build /step /usr/local/bin/step
# Results are in /data/output: mount a volume there to keep them.
COPY --from=build --chown=nonroot:nonroot /data /data
WORKDIR /data
ENTRYPOINT ["/usr/local/bin/step"]
