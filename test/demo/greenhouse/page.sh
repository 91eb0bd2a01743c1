#!/bin/sh
# Serves the last readings. /healthz is there once a first reading has come.
mkdir -p /tmp/www
render() {
  {
    echo "<!doctype html><title>$TITLE</title><h1>$TITLE</h1><ol reversed>"
    tail -n 10 /tmp/readings | sed 's/.*/<li>&<\/li>/'
    echo "</ol>"
  } >/tmp/www/index.new && mv /tmp/www/index.new /tmp/www/index.html
  cp /tmp/www/index.html /tmp/www/healthz
}
listen() {
  while :; do
    mosquitto_sub -h broker -t greenhouse/temperature | while read -r celsius; do
      echo "$(date +%H:%M:%S) $celsius °C" >>/tmp/readings
      tail -n 50 /tmp/readings >/tmp/readings.new && mv /tmp/readings.new /tmp/readings
      render
    done
    sleep 1
  done
}
listen &
exec httpd -f -p "${LISTEN_PORT:-8080}" -h /tmp/www
