#!/bin/sh
# The one command that people type. It picks the Node that was brought along and starts the agent or everything else.
# It holds the agent's and the hub's V8 flags, the only copy of them: memory over weeks depends on these (see docs/adr).
# It must stay a plain exec: nothing of this shell may remain in memory on a small machine.
set -eu

# --lite-mode has no JIT: hot loops are slower, but an idle agent runs none, and it holds several MB less.
# --no-node-snapshot starts 0.1 s later and leaves 3 MB of Node's own program unread (see docs/adr/0014).
# The last three leave out what speeds up code that runs often, and forget soon what ran only at the start: 2 MB (see docs/adr/0025).
agent_flags="--no-node-snapshot --optimize-for-size --lite-mode --memory-saver-mode --max-semi-space-size=1 --max-old-space-size=64 --v8-pool-size=1 --max-lazy --invocation-count-for-feedback-allocation=10000 --bytecode-old-age=2"
# A hub's memory after a large rollout is the garbage of it: these keep 1,000 nodes some 90 MB smaller for a third more CPU in the rollout.
# --memory-saver-mode gives back what it left: 10 MB more.
hub_flags="--no-node-snapshot --max-semi-space-size=2 --heap-growing-percent=20 --memory-saver-mode"
least_node=24

self=$0
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in
    /*) self=$target ;;
    *) self=$(dirname "$self")/$target ;;
  esac
done
here=$(cd "$(dirname "$self")" && pwd)

for node in "$here/node" "$here/../node_modules/.bin/node" ""; do
  [ -n "$node" ] && [ -x "$node" ] && break
done
if [ -z "$node" ]; then
  node=$(command -v node || true)
  if [ -z "$node" ]; then
    echo "skerry: there is no Node beside this program and none on PATH. Install Skerry again, or put Node $least_node on PATH." >&2
    exit 1
  fi
  found=$("$node" -p 'process.versions.node.split(".")[0]')
  if [ "$found" -lt "$least_node" ]; then
    echo "skerry: $node is Node $found, too old: Node $least_node or newer is needed. Install Skerry again, or put Node $least_node on PATH." >&2
    exit 1
  fi
fi

if [ "${1:-}" = agent ]; then
  shift
  # glibc would keep what the start needed, one arena a thread: it gives back from 64 KiB on, has one, and asks for no more than is needed.
  export MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=65536 MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TOP_PAD_=4096
  # The flags are several words on purpose.
  # shellcheck disable=SC2086
  exec "$node" $agent_flags "$here/agent.cjs" "$@"
fi
if [ "${1:-}" = hub ]; then
  # One arena, so that what one thread gave back the next one finds: 15 MB less at 1,000 nodes.
  # Node's TLS holds 64 KiB for each connection and uses a few of them: a mapping of its own costs only what is used, where glibc would take them
  # from what was used before: 35 MB at 1,000 nodes.
  export MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=32768 MALLOC_TRIM_THRESHOLD_=131072 MALLOC_TOP_PAD_=16384
  # shellcheck disable=SC2086
  exec "$node" $hub_flags "$here/skerry.mjs" "$@"
fi
exec "$node" "$here/skerry.mjs" "$@"
