# Stands in for caddy:2.10 where no image can be pulled: Debian's Caddy (2.6), with the capability that the real one carries.
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends caddy libcap2-bin >/dev/null \
 && setcap cap_net_bind_service=+ep /usr/bin/caddy && rm -rf /var/lib/apt/lists/*
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
