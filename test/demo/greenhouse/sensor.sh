#!/bin/sh
# Publishes a temperature. The broker is found by its service name, as in any Compose file.
while :; do
  minute=$(($(date +%s) % 60))
  tenths=$((200 + (minute < 30 ? minute : 60 - minute)))
  celsius=$((tenths / 10)).$((tenths % 10))
  mosquitto_pub -h broker -t greenhouse/temperature -r -m "$celsius" || echo "the broker does not answer; trying again"
  sleep "$EVERY_SECONDS"
done
