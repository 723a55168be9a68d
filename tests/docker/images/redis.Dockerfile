FROM stromhaltig-test/debian
RUN apt-get update \
    && apt-get install --yes --no-install-recommends redis-server \
    && install --directory --owner=redis --group=redis /data \
    && rm --recursive /var/lib/apt/lists/*
WORKDIR /data
VOLUME /data
EXPOSE 6379
CMD ["redis-server"]
