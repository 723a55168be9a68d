#!/bin/sh
# Waits until nginx runs with the files of a version (the first argument), which it
# tells at an address (the second one). Fails when it does not within so many seconds
# (the third one). Runs in the network of the proxy's container, in the same image.
set -u

says() {
  curl -fsS "$1" 2>/dev/null || wget -q -O - "$1" 2>/dev/null
}

waited=0
until [ "$(says "$2")" = "$1" ]; do
  if [ "$waited" -ge "$3" ]; then
    echo "nginx goes on with the files of before. Why, it has logged: docker logs PROXY"
    exit 1
  fi
  sleep 1
  waited=$((waited + 1))
done
# Workers that are being replaced take the connections that they have.
sleep 1
echo "nginx runs with version $1."
