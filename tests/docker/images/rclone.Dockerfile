FROM stromhaltig-test/debian
RUN apt-get update \
    && apt-get install --yes --no-install-recommends rclone \
    && rm --recursive /var/lib/apt/lists/*
ENV XDG_CONFIG_HOME=/config
WORKDIR /data
ENTRYPOINT ["rclone"]
