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
	faketime faketime
	iptables iptables
	ip iproute2
	nsenter util-linux
	flock util-linux
	mount mount
	ps procps
	strace strace
	tar tar
	LIST
  [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

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
  missing=$(missing_packages | sort -u | paste -sd ' ' -)
  [ -n "$missing" ] || return 0
  [ "$(uname -s)" = Linux ] || give_up "real engines need Linux, and this is $(uname -s)." \
    "run this on a Debian 12 or 13 machine; 'npm run check' works everywhere."
  [ "$(id -u)" = 0 ] || give_up "these Debian packages are missing: $missing; and only root can install them." \
    "run the same command as root, or first: sudo apt-get install --no-install-recommends $missing"
  command -v apt-get >/dev/null 2>&1 || give_up "these are missing: $missing; and there is no apt-get here." \
    "install them by this system's own means (the names are Debian's), or use a Debian 12 or 13 machine."
  say "installing Debian packages: $missing"
  hold_services
  apt_remedy="check the network and /etc/apt/sources.list, then run the same command again."
  run_quietly "apt-get could not read its package lists" "$apt_remedy" env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 update
  # One line of words on purpose.
  # shellcheck disable=SC2086
  run_quietly "apt-get could not install: $missing" "$apt_remedy" env DEBIAN_FRONTEND=noninteractive \
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

# run_quietly FAILURE WHAT-TO-DO COMMAND…: its output is shown only when it fails.
run_quietly() {
  failure=$1
  remedy=$2
  shift 2
  "$@" >"$log" 2>&1 9>&- </dev/null && return 0
  tail -n 15 "$log" >&2
  give_up "$failure (the last lines are above, all of it is in $log)." "$remedy"
}

install_modules() {
  if cmp -s package-lock.json node_modules/.skerry-lock && [ -x node_modules/.bin/node ]; then return 0; fi
  command -v npm >/dev/null 2>&1 || give_up "npm is missing." "install Node $least_node or newer, with npm."
  if ! node deploy/modules-match.mjs; then
    say "installing node_modules (npm ci)"
    bring_node
    run_quietly "npm ci failed" "check the network, then run the same command again." \
      npm ci --loglevel=error --no-progress
    node deploy/modules-match.mjs || give_up "npm left out packages that it could not download, and did not say which." \
      "check the network, then run the same command again."
    rm -rf .cache/node
  fi
  link_node
  cp package-lock.json node_modules/.skerry-lock
}

# npm leaves out packages that are too new for the Node that it runs on, and says nothing. So it runs on ours.
bring_node() {
  [ "$(node -p 'process.versions.node.split(".")[0]')" -lt "$least_node" ] || return 0
  package=node-linux-$(node -p process.arch)
  version=$(node -p "require('./package.json').optionalDependencies['$package'] || ''")
  [ -n "$version" ] || give_up "Node $least_node is needed, and npm has none for this machine." \
    "install Node $least_node or newer and put it first on PATH."
  run_quietly "npm could not fetch Node $version" "check the network, then run the same command again." \
    npm install --prefix .cache/node --no-save --no-package-lock --loglevel=error --no-progress "$package@$version"
  chmod 755 ".cache/node/node_modules/$package/bin/node"
  PATH=$PWD/.cache/node/node_modules/$package/bin:$PATH
  # Debian's Node trusts what the machine trusts; ours does so when told.
  export NODE_USE_SYSTEM_CA=1
}

# npm 9, which Debian brings, unpacks the package that holds Node but does not link its program.
link_node() {
  [ ! -x node_modules/.bin/node ] || return 0
  for brought in node_modules/node-linux-*/bin/node; do
    [ -e "$brought" ] || continue
    chmod 755 "$brought"
    ln -sf "../${brought#node_modules/}" node_modules/.bin/node
  done
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
  run_quietly "the build failed" "mend the source, then run the same command again." node deploy/build.ts
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
