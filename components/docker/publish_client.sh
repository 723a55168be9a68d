#!/bin/sh
# Copies the client's build (the first argument) to where the proxy serves it (the
# second one). The page that names the other files comes last: who loads it finds them.
#
# Files of former releases stay for 30 days, because a page that is open in a browser
# still asks for them. The count begins when a release is superseded.
set -eu
from=$1 to=$2

rm -rf "$to/.next"
mkdir "$to/.next"
cp -R "$from/." "$to/.next"
cd "$to"

if [ -f .published ]; then
  while IFS= read -r file; do
    touch -c "$file"
  done < .published
fi
(cd .next && find . -type f) > .next.published

mv .next/index.html .index.html
# By renaming: a file that is being read, and cached for a year, is never half of one.
(cd .next && find . -type d) | while IFS= read -r folder; do mkdir -p "$folder"; done
(cd .next && find . -type f) | while IFS= read -r file; do mv -f ".next/$file" "$file"; done
mv -f .index.html index.html
mv -f .next.published .published
rm -rf .next

find . -type f ! -name '.*' -mtime +30 -exec rm {} +
echo "Published $(wc -l < .published) files."
