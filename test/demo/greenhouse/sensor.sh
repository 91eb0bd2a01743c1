#!/bin/sh
# Publishes a temperature. The broker is found by its service name, as in any Compose file.
while :; do
  celsius=$(awk -v n="$(date +%s)" 'BEGIN { printf "%.1f", 21 + 3 * sin(n / 20) }')
  mosquitto_pub -h broker -t greenhouse/temperature -r -m "$celsius" || echo "the broker does not answer; trying again"
  sleep "$EVERY_SECONDS"
done
