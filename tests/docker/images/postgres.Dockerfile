FROM stromhaltig-test/debian
RUN mkdir /etc/postgresql-common \
    && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf \
    && apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-15 \
    && install --directory --owner=postgres --mode=1777 /var/lib/postgresql/data \
    && install --directory --owner=postgres --mode=3777 /var/run/postgresql \
    && mkdir /docker-entrypoint-initdb.d \
    && sed --in-place "s/^#listen_addresses = .*/listen_addresses = '*'/" \
      /usr/share/postgresql/15/postgresql.conf.sample \
    && rm --recursive /var/lib/apt/lists/*
COPY postgres.sh /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
