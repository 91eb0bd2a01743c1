#!/bin/sh
# Makes a fresh Debian machine ready for this checkout: Debian packages, node_modules, dist. Says each step in a plain line.
#   sh deploy/setup.sh             everything (for the demo, the tests on real engines, the bench)
#   sh deploy/setup.sh --modules   node_modules only (for unit tests and the simulator: needs neither root nor Debian)
# It must never start, stop or change a service of this machine, nor write anywhere but into the checkout and by apt.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
give_up() {
  say "cannot go on: $1"
  say "what to do: $2"
  exit 1
}

least_node=24
policy=/usr/sbin/policy-rc.d
policy_is_ours=no
log=.cache/setup.log

# --- what is there ---------------------------------------------------------------------------------------------------

# Debian's folders for programs of the system are not on every user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

# Prints the Debian packages that are missing, one a line. A program that is there counts, wherever it came from.
missing_packages() {
  while read -r program package; do
    command -v "$program" >/dev/null 2>&1 || echo "$package"
  done <<-LIST | sort -u
	dockerd docker.io
	containerd docker.io
	iptables iptables
	ip iproute2
	busybox busybox-static
	nsenter util-linux
	flock util-linux
	mount mount
	ps procps
	tar tar
	LIST
  # A dynamically linked busybox would not run inside an image that holds nothing else.
  if command -v busybox >/dev/null 2>&1 && ! is_static "$(command -v busybox)"; then echo busybox-static; fi
  [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

is_static() { ! ldd "$1" >/dev/null 2>&1; }

# --- steps -----------------------------------------------------------------------------------------------------------

take_turns() {
  # Two set-ups at once would install over each other.
  mkdir -p .cache
  exec 9>.cache/setup.lock
  if command -v flock >/dev/null 2>&1 && ! flock -n 9; then
    say "another set-up of this checkout is running: waiting for it"
    flock 9
  fi
}

install_packages() {
  missing=$(missing_packages | sort -u | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  [ "$(uname -s)" = Linux ] || give_up "real engines need Linux, and this is $(uname -s)." \
    "run this on a Debian 12 or 13 machine; 'npm run check' works everywhere."
  [ "$(id -u)" = 0 ] || give_up "these Debian packages are missing: $missing- and only root can install them." \
    "run the same command as root, or first: sudo apt-get install --no-install-recommends $missing"
  command -v apt-get >/dev/null 2>&1 || give_up "these are missing: $missing- and there is no apt-get here." \
    "install them by this system's own means (the names are Debian's), or use a Debian 12 or 13 machine."
  say "installing Debian packages: $missing"
  hold_services
  run_quietly "apt-get could not read its package lists" env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 update
  # One line of words on purpose.
  # shellcheck disable=SC2086
  run_quietly "apt-get could not install: $missing" env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing
  release_services
}

# Debian asks this file before it starts a service that it has just installed. 101: do not.
hold_services() {
  [ -e "$policy" ] && return 0
  policy_is_ours=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

release_services() {
  [ "$policy_is_ours" = no ] || rm -f "$policy"
  policy_is_ours=no
}

run_quietly() {
  failure=$1
  shift
  "$@" >"$log" 2>&1 9>&- </dev/null && return 0
  tail -n 15 "$log" >&2
  give_up "$failure (the last lines are above, all of it is in $log)." \
    "check the network and /etc/apt/sources.list, then run the same command again."
}

install_modules() {
  cmp -s package-lock.json node_modules/.skerry-lock && return 0
  command -v npm >/dev/null 2>&1 || give_up "npm is missing." "install Node $least_node or newer, with npm."
  if ! node deploy/modules-match.mjs; then
    say "installing node_modules (npm ci)"
    # An old Node is told that packages want a newer one. They get it: it is one of the packages.
    npm ci --loglevel=error --no-progress 9>&- </dev/null || give_up "npm ci failed (its message is above)." \
      "check the network, then run the same command again."
  fi
  cp package-lock.json node_modules/.skerry-lock
}

check_node() {
  [ -x node_modules/.bin/node ] && return 0
  found=$(node -p 'process.versions.node.split(".")[0]')
  [ "$found" -ge "$least_node" ] || give_up "Node $least_node is needed, this is $found, and npm has none for this machine." \
    "install Node $least_node or newer and put it first on PATH."
}

build_dist() {
  if [ -x dist/skerry ] && [ -z "$(find shared agent hub deploy package-lock.json -type f -newer dist/skerry \
    ! -name '*.test.ts' ! -path '*/node_modules/*' -print | head -n 1)" ]; then return 0; fi
  say "building dist"
  PATH=$PWD/node_modules/.bin:$PATH
  node deploy/build.ts >"$log" 2>&1 || { cat "$log" >&2; give_up "the build failed (its message is above)." "mend the source, then run the same command again."; }
}

trap release_services EXIT
trap 'release_services; exit 130' INT
trap 'release_services; exit 143' TERM

take_turns
if [ "${1:-}" = --modules ]; then
  install_modules
  check_node
  exit 0
fi
install_packages
[ "$(id -u)" = 0 ] || give_up "engines and network namespaces need root." "run the same command as root."
install_modules
check_node
build_dist
