FROM stromhaltig-test/debian
# Bookworm's own is older than 1.25.1, which the configuration needs.
RUN echo "deb http://deb.debian.org/debian trixie main" > /etc/apt/sources.list.d/trixie.list \
    && echo 'APT::Default-Release "bookworm";' > /etc/apt/apt.conf.d/10release \
    && apt-get update \
    && apt-get install --yes --no-install-recommends curl \
    && apt-get install --yes --no-install-recommends --target-release trixie nginx \
    && useradd --system --uid 101 --user-group --no-create-home nginx \
    && mkdir --parents /var/cache/nginx \
    && rm --recursive /etc/nginx/sites-enabled /etc/nginx/modules-enabled \
    && rm --recursive /var/lib/apt/lists/*
STOPSIGNAL SIGQUIT
EXPOSE 80
CMD ["nginx", "-g", "daemon off;"]
