// Profiles: restricted, baseline and privileged, after the Kubernetes Pod Security Standards. Plain lists, and the empty values to start
// from. Where we differ from the standards, the reason stands in docs/adr/0022.
import type { Grants, Profile, ResolvedPolicy, Rules } from "./policy.ts";

/** What it takes to be allowed. `never`: no profile and no grant allows it, for it would undo what Skerry itself stands on. */
export type Level = Profile | "never";
const ORDER: readonly Level[] = ["restricted", "baseline", "privileged", "never"];
export const isWithin = (needs: Level, allowed: Profile): boolean => ORDER.indexOf(needs) <= ORDER.indexOf(allowed);

/**
 * What a container has when its file says nothing: enough for an image that begins as root to own its files, take a low port and become
 * somebody else, as the entry points of the usual databases, brokers and web servers do. SETPCAP only lets a process give up more.
 */
export const SILENT_CAPABILITIES: readonly string[] = [
  ...["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL"],
  ...["NET_BIND_SERVICE", "SETGID", "SETPCAP", "SETUID"],
];
/** Of the standards' baseline, so without NET_RAW: a container that forges packets is no neighbour. */
export const BASELINE_CAPABILITIES: ReadonlySet<string> = new Set([
  ...SILENT_CAPABILITIES,
  ...["AUDIT_WRITE", "MKNOD", "SETFCAP", "SYS_CHROOT"],
]);

/** They have a value for each container of its own. As the standards' list. */
export const SAFE_SYSCTLS: ReadonlySet<string> = new Set([
  "kernel.shm_rmid_forced",
  ...[
    "ip_local_port_range",
    "tcp_syncookies",
    "ping_group_range",
    "ip_unprivileged_port_start",
    "ip_local_reserved_ports",
    "tcp_keepalive_time",
    "tcp_fin_timeout",
    "tcp_keepalive_intvl",
    "tcp_keepalive_probes",
    "tcp_rmem",
    "tcp_wmem",
    "tcp_slow_start_after_idle",
    "tcp_notsent_lowat",
  ].map((name) => `net.ipv4.${name}`),
]);

/** SELinux types that confine; of labels nothing else but `level` is for a file to choose. */
export const SELINUX_TYPES: ReadonlySet<string> = new Set([
  ...["container_t", "container_init_t", "container_kvm_t", "container_engine_t"],
]);

/** Threads count too: a JVM or a database with hundreds of connections fits, and a fork bomb leaves a Pi answering. */
export const DEFAULT_PIDS_LIMIT = 1_024;
/** More in one container than this is as good as no limit. */
export const MOST_PIDS = 8_192;
/** What one container's logs may take of a node's disk: an SD card of 16 GB has room for several such. */
export const MOST_LOG_BYTES = 1_073_741_824;

/** Host paths that no grant covers: who has them has the machine, its engine or the agent. Both names of /run, for one is a link. */
export const CLOSED_PATHS: readonly string[] = [
  ...["/proc", "/sys", "/dev"],
  ...["/run", "/var/run"].flatMap((run) =>
    ["docker.sock", "docker", "containerd", "podman", "crio", "skerry"].map((name) => `${run}/${name}`),
  ),
  ...["/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/skerry"],
];

export const NO_GRANTS: Grants = {
  devices: [],
  deviceCgroupRules: [],
  hostPaths: [],
  capabilities: [],
  sysctls: [],
  hostNamespaces: [],
  runtimes: [],
  securityOptions: [],
  volumes: [],
};
export const NO_RULES: Rules = {
  registries: [],
  requireDigest: false,
  forbidLatest: false,
  requireMemoryLimit: false,
  requireReadOnlyRoot: false,
  requireNonRoot: false,
};
/** Where no policy is bound. */
export const RESTRICTED: ResolvedPolicy = { profile: "restricted", mode: "enforce", grants: NO_GRANTS, rules: [] };
