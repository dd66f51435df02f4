# One image for every role: `gantry server`, `gantry node`, `gantry admin`. Nothing of the build stays in it.
FROM rust:1.95-bookworm AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends protobuf-compiler
WORKDIR /src
COPY . .
RUN cargo build --release --locked --workspace --exclude gantry-tests --exclude gantry-bench \
 && mkdir /gantry && cp target/release/gantry target/release/libgantry_*.so /gantry/

FROM debian:12-slim
# What a node needs; a server needs none of it, but one image is simpler to keep current than two.
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends ca-certificates conntrack containerd containernetworking-plugins iproute2 iptables runc \
 && rm -rf /var/lib/apt/lists/*
# Plugins are looked for beside the binary.
COPY --from=build /gantry/ /usr/local/lib/gantry/
RUN ln -s /usr/local/lib/gantry/gantry /usr/local/bin/gantry
VOLUME /var/lib/gantry
ENTRYPOINT ["gantry"]
CMD ["--help"]
