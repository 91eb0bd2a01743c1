// Every key that a Compose file can hold: honoured, or refused with the reason and what to use instead. The checker, the
// documentation and the tests all read this one table. A key that is not in it does not exist: nothing is ignored in silence.

export type KeyRule =
  /** `note`: what Skerry makes of it, where that is not obvious from the Specification. */
  | { readonly use: "honoured"; readonly note: string }
  /** Stands for everything below it as well. */
  | { readonly use: "refused"; readonly reason: string; readonly instead: string };

const yes = (note = ""): KeyRule => ({ use: "honoured", note });
const no = (reason: string, instead: string): KeyRule => ({ use: "refused", reason, instead });

/** Below `path` the names are the user's own (`*`), the keys are those of `rules`; "" is `path` itself. */
function under(path: string, rules: Readonly<Record<string, KeyRule>>): Record<string, KeyRule> {
  return Object.fromEntries(Object.entries(rules).map(([key, rule]) => [key === "" ? path : `${path}.${key}`, rule]));
}

const WINDOWS = "it has a meaning on Windows only";
const NEXT = "it is not built yet";
const ENGINE = "the oldest Docker Engine that Skerry supports does not know it";

const ioLimit = no(NEXT, "Use `blkio_config.weight`.");
const hook = (when: string): KeyRule =>
  no(NEXT, `Run the command ${when} from the image's entrypoint, or as a service of its own with depends_on.`);

const LABELLED = "a secret or config has no labels";
function declaredValues(section: "secrets" | "configs", note: string): Record<string, KeyRule> {
  const driver = no(
    "what holds secrets is Skerry itself",
    "Remove it; `external: true` takes one that was set before.",
  );
  return {
    ...under(section, { "": yes(note) }),
    ...under(`${section}.*`, {
      file: yes("Read by `skerry apply` where it runs, relative to the file; 500 KiB at most."),
      environment: yes("A variable where `skerry apply` runs."),
      external: yes("One that was set with `skerry secret set` or `skerry config set`, and that this app may use."),
      "external.name": yes("The old way to write `name`."),
      name: yes("Another name than the key."),
      labels: no(LABELLED, "Remove them."),
      template_driver: driver,
    }),
    ...(section === "secrets" ? under("secrets.*", { driver, driver_opts: driver }) : {}),
  };
}

function grantedValues(section: "secrets" | "configs", target: string): Record<string, KeyRule> {
  return {
    [section]: yes("Files in the container, read-only. Another value means another container."),
    [`${section}[].source`]: yes(),
    [`${section}[].target`]: yes(target),
    [`${section}[].mode`]: yes("Octal; 0444 unless said."),
    [`${section}[].uid`]: yes("A number; 0 unless said."),
    [`${section}[].gid`]: yes("A number; 0 unless said."),
  };
}

const topLevel: Record<string, KeyRule> = {
  version: yes("No meaning any more, as the Specification says; a warning asks to remove it."),
  name: yes("The app's name. `skerry apply NAME` overrides it."),
  include: no(
    "an app is one file",
    "Join the files first: `docker compose config` prints them as one, and `extends` shares settings within a file.",
  ),
  services: yes(),
  networks: yes("Made on each node where a service needs them. A network does not span nodes."),
  volumes: yes("Made on each node where a service needs them. Never deleted implicitly."),
  models: no("Skerry does not run language models by itself", "Run a model server as a service."),
  ...declaredValues("secrets", "Kept encrypted, given only to nodes that need it, and there in memory alone."),
  ...declaredValues("configs", "As `secrets`, but shown to whoever may see the app."),
  "configs.*.content": yes("Part of the file, and shown with it."),
  "x-skerry": no("there are no settings for a whole app yet", "Put `x-skerry` on a service."),
};

const network = under("networks.*", {
  name: yes("The engine's name for it; otherwise APP_KEY."),
  driver: yes("`bridge`, `macvlan`, `ipvlan` or a plugin's; `overlay` is refused, because it needs Swarm."),
  driver_opts: yes(),
  ipam: yes(),
  "ipam.driver": yes(),
  "ipam.config": yes(),
  "ipam.config[].subnet": yes(),
  "ipam.config[].ip_range": yes(),
  "ipam.config[].gateway": yes(),
  "ipam.config[].aux_addresses": yes(),
  "ipam.options": yes(),
  external: yes("It must exist on each node; it is never made or removed."),
  "external.name": yes("The old way to write `name`."),
  internal: yes(),
  enable_ipv4: yes("`true` only: switching IPv4 off needs a newer engine than the oldest that Skerry supports."),
  enable_ipv6: yes(),
  attachable: yes(),
  labels: yes(),
});

const volume = under("volumes.*", {
  name: yes("The engine's name for it; otherwise APP_KEY."),
  driver: yes(),
  driver_opts: yes(),
  external: yes("It must exist on each node; it is never made or removed."),
  "external.name": yes("The old way to write `name`."),
  labels: yes(),
});

const running = under("services.*", {
  image: yes(),
  pull_policy: yes("`always`, `missing`, `if_not_present`, `never`; what builds or refreshes by the clock is refused."),
  pull_refresh_after: no("images are not refreshed by the clock", "Write the new tag, and apply."),
  platform: yes(),
  command: yes("Text is split as a shell would, without running one."),
  entrypoint: yes("Text is split as a shell would, without running one."),
  environment: yes("A name without a value takes it from the variables at apply; not set there, it is left out."),
  env_file: yes("Read by the client at apply."),
  "env_file[].path": yes(),
  "env_file[].required": yes(),
  "env_file[].format": yes("`raw`, or left out."),
  label_file: yes("Read by the client at apply."),
  labels: yes("Labels that begin with `io.skerry.` are refused: they are how Skerry knows its containers."),
  annotations: yes(),
  working_dir: yes(),
  user: yes(),
  group_add: yes(),
  hostname: yes(),
  domainname: yes(),
  init: yes(),
  tty: yes(),
  stdin_open: yes(),
  read_only: yes(),
  privileged: yes(),
  stop_signal: yes(),
  stop_grace_period: yes(),
  restart: yes("Nothing said means `always`. The agent restarts, so that it also does so when the engine was gone."),
  scale: yes("As `deploy.replicas`."),
  profiles: yes(),
  extends: yes("Within the file."),
  "extends.service": yes(),
  "extends.file": no("an app is one file", "Copy the service in, or join the files with `docker compose config`."),
  depends_on: yes("Waited for on the same node."),
  "depends_on.*.condition": yes(),
  "depends_on.*.restart": yes(),
  "depends_on.*.required": yes(),
  healthcheck: yes(),
  "healthcheck.test": yes(),
  "healthcheck.interval": yes(),
  "healthcheck.timeout": yes(),
  "healthcheck.retries": yes(),
  "healthcheck.start_period": yes(),
  "healthcheck.start_interval": yes(),
  "healthcheck.disable": yes(),
  logging: yes("Nothing said means `json-file` with 3 files of 10 MB; `json-file` is never left without a bound."),
  "logging.driver": yes(),
  "logging.options": yes(),
  attach: yes("Logs are shown when asked for, which is what `false` means; `true` gives a warning."),
});

const networking = under("services.*", {
  ports: yes("Published on each node that runs the service."),
  "ports[].target": yes(),
  "ports[].published": yes("One port, or a range as long as that of `target`."),
  "ports[].host_ip": yes(),
  "ports[].protocol": yes("`tcp`, `udp` or `sctp`."),
  "ports[].mode": yes(
    "Both modes publish on the nodes that run the service; `ingress` gives a warning when mode is global or replicas > 1.",
  ),
  "ports[].name": yes("Documentation."),
  "ports[].app_protocol": yes("Documentation."),
  expose: yes(),
  networks: yes(),
  "networks.*.aliases": yes(),
  "networks.*.ipv4_address": yes(),
  "networks.*.ipv6_address": yes(),
  "networks.*.link_local_ips": yes(),
  "networks.*.mac_address": yes(),
  "networks.*.priority": yes(),
  "networks.*.driver_opts": no(ENGINE, "Set options on the network itself: top-level `networks.NAME.driver_opts`."),
  "networks.*.gw_priority": no(ENGINE, "Use `priority`, or `internal: true` on networks that lead nowhere."),
  "networks.*.interface_name": no(ENGINE, "Look interfaces up by address inside the container."),
  network_mode: yes("`host`, `none` or `bridge`; another container's network is refused."),
  mac_address: yes("For the network with the highest `priority`."),
  dns: yes(),
  dns_opt: yes(),
  dns_search: yes(),
  extra_hosts: yes(),
  links: no(
    "services of one app reach each other by name without it",
    "Remove it. For another name use `networks.NAME.aliases` on the other service; for the order use `depends_on`.",
  ),
  external_links: no(
    "containers outside the app may be on any node",
    "Put both on an external network, and use the container's name.",
  ),
  container_name: no(
    "containers are named APP-SERVICE-NUMBER, so that Skerry finds them again",
    "Remove it: the service's own name resolves already. For another name use `networks.NAME.aliases`, or `hostname`.",
  ),
});

const storage = under("services.*", {
  volumes: yes(
    "Named and anonymous volumes, absolute bind mounts, tmpfs. Relative paths are refused: a node has no project folder.",
  ),
  "volumes[].type": yes("`volume`, `bind` or `tmpfs`."),
  "volumes[].source": yes(),
  "volumes[].target": yes(),
  "volumes[].read_only": yes(),
  "volumes[].consistency": yes("Docker Desktop only: without effect, and a warning says so."),
  "volumes[].bind": yes(),
  "volumes[].bind.propagation": yes(),
  "volumes[].bind.create_host_path": yes(),
  "volumes[].bind.recursive": no(ENGINE, "Remove it."),
  "volumes[].bind.selinux": no(NEXT, "Label the folder on the node with `chcon`, or use a named volume."),
  "volumes[].volume": yes(),
  "volumes[].volume.nocopy": yes(),
  "volumes[].volume.subpath": yes("Needs Docker Engine 26 on the node."),
  "volumes[].volume.labels": no(
    "a volume belongs to the app, not to one service",
    "Use top-level `volumes.NAME.labels`.",
  ),
  "volumes[].tmpfs": yes(),
  "volumes[].tmpfs.size": yes(),
  "volumes[].tmpfs.mode": yes("Octal."),
  "volumes[].image": no(ENGINE, "Copy the files from an init service into a named volume."),
  volumes_from: no("it ties two containers to one node in a hidden way", "Name the same volumes in both services."),
  tmpfs: yes("With the options size, mode, ro and rw."),
  shm_size: yes(),
  storage_opt: yes(),
  ...grantedValues("secrets", "A path, or a name below /run/secrets; the key unless said."),
  ...grantedValues("configs", "A path, or a name below /; the key unless said."),
});

const limits = under("services.*", {
  cpus: yes(),
  cpu_shares: yes(),
  cpu_quota: yes(),
  cpu_period: yes(),
  cpu_rt_period: yes(),
  cpu_rt_runtime: yes(),
  cpuset: yes(),
  cpu_count: no(WINDOWS, "Use `cpus`."),
  cpu_percent: no(WINDOWS, "Use `cpus`."),
  mem_limit: yes(),
  mem_reservation: yes("Also set aside on the node when placing."),
  mem_swappiness: yes(),
  memswap_limit: yes(),
  oom_kill_disable: yes(),
  oom_score_adj: yes(),
  pids_limit: yes(),
  ulimits: yes(),
  "ulimits.*.soft": yes(),
  "ulimits.*.hard": yes(),
  blkio_config: yes(),
  "blkio_config.weight": yes(),
  "blkio_config.weight_device": ioLimit,
  "blkio_config.device_read_bps": ioLimit,
  "blkio_config.device_read_iops": ioLimit,
  "blkio_config.device_write_bps": ioLimit,
  "blkio_config.device_write_iops": ioLimit,
});

const isolation = under("services.*", {
  cap_add: yes(),
  cap_drop: yes(),
  security_opt: yes("A seccomp profile in a file is refused: a node has no project folder."),
  sysctls: yes(),
  devices: yes(),
  "devices[].source": yes(),
  "devices[].target": yes(),
  "devices[].permissions": yes(),
  device_cgroup_rules: yes(),
  gpus: no(NEXT, "Give the device files with `devices`."),
  cgroup: yes(),
  cgroup_parent: yes(),
  ipc: yes("`private`, `host`, `shareable` or `none`; another container's is refused."),
  pid: yes("`host`; another container's is refused."),
  uts: yes("`host`."),
  userns_mode: yes("`host`."),
  isolation: yes("`default`; the others are for Windows."),
  runtime: yes(),
  use_api_socket: no(
    "it hands the engine, and with it the node, to the container",
    "If that is meant, bind-mount /var/run/docker.sock.",
  ),
  credential_spec: no(WINDOWS, "Remove it."),
});

const elsewhere = under("services.*", {
  build: no(
    "nodes are small and do not build",
    "Build on your machine or in CI, push the image to a registry, and name it in `image`.",
  ),
  develop: no("it serves work on your own machine", "Keep it in a compose.override.yaml that you do not apply."),
  provider: no("providers are programs on your own machine", "Use a service with an image."),
  models: no("Skerry does not run language models by itself", "Run a model server as a service."),
  post_start: hook("after the start"),
  pre_start: hook("before the start"),
  pre_stop: hook("on the stop signal"),
});

const deploy = under("services.*", {
  deploy: yes(),
  "deploy.mode": yes("`global` (one on each matching node) or `replicated`; jobs are not built yet."),
  "deploy.replicas": yes(),
  "deploy.endpoint_mode": yes("`dnsrr`: a name resolves to the copies on the node; `vip` is refused."),
  "deploy.labels": no(
    "an engine has no services that could carry them",
    "Use the service's `labels`: they go on the containers.",
  ),
  "deploy.placement": yes(),
  "deploy.placement.constraints": yes("`node.labels.KEY`, `node.hostname`, `node.arch`, `node.id` with == or !=."),
  "deploy.placement.preferences": yes(),
  "deploy.placement.preferences[].spread": yes("`node.labels.KEY`."),
  "deploy.placement.max_replicas_per_node": yes(),
  "deploy.resources": yes(),
  "deploy.resources.limits": yes(),
  "deploy.resources.limits.cpus": yes(),
  "deploy.resources.limits.memory": yes(),
  "deploy.resources.limits.pids": yes(),
  "deploy.resources.reservations": yes(),
  "deploy.resources.reservations.cpus": yes("Set aside on the node when placing."),
  "deploy.resources.reservations.memory": yes("Set aside on the node when placing."),
  "deploy.resources.reservations.devices": no(NEXT, "Give the device files with `devices`, and place by a node label."),
  "deploy.resources.reservations.generic_resources": no(NEXT, "Place by a node label, and `max_replicas_per_node`."),
  "deploy.restart_policy": yes("Stronger than `restart`."),
  "deploy.restart_policy.condition": yes(),
  "deploy.restart_policy.delay": yes("The shortest pause between tries; pauses still grow up to 5 minutes."),
  "deploy.restart_policy.max_attempts": yes("With `on-failure`."),
  "deploy.restart_policy.window": yes("A run at least this long counts as a success."),
  ...policy("update_config", {
    absent: "Left out altogether: a quarter at a time, 5 s of health, back by itself.",
    actions: "`pause` (default here), `rollback`, `continue`.",
  }),
  ...policy("rollback_config", {
    absent: "Left out altogether: all at once, and on whatever fails.",
    actions: "`pause` (default here) or `continue`: a rollback is never rolled back.",
  }),
});

function policy(key: string, notes: { readonly absent: string; readonly actions: string }): Record<string, KeyRule> {
  return under(`deploy.${key}`, {
    parallelism: yes("How many at a time: a number (default 1; 0: all), or a percentage of the copies."),
    delay: yes("Between one batch and the next; default 0 s."),
    monitor: yes("How long a new copy must be good without a break to pass; default 5 s."),
    failure_action: yes(notes.actions),
    max_failure_ratio: yes("From 0 (default: one failure is too many) to 1, or as a percentage."),
    order: yes(
      "`stop-first` (default), or `start-first`: refused where both copies would need the same port, address or writable volume, and with `fence`.",
    ),
    "": yes(notes.absent),
  });
}

const probe = (name: string, what: string): Record<string, KeyRule> =>
  under(`x-skerry.probes.${name}`, {
    "": yes(what),
    http: yes("Good is an answer with a status of `status`."),
    "http.port": yes("The port in the container."),
    "http.path": yes("Default `/`."),
    "http.status": yes("A number, a range such as `200-399` (default), or a list of them."),
    "http.headers": yes(),
    tcp: yes("A port in the container: good is a connection."),
    exec: yes("A command in the container, as a list, or a line for its shell: good is exit code 0."),
    interval: yes("From 1 s; default 10 s."),
    timeout: yes("Default 1 s."),
    initial_delay: yes("Default 0 s."),
    failure_threshold: yes("So many failures in a row count; default 3."),
    success_threshold: yes("So many successes in a row count; default 1. Above 1 for readiness only."),
  });

const window = (key: string, what: string): Record<string, KeyRule> =>
  under(`x-skerry.update.${key}`, {
    "": yes(what),
    cron: yes("Five fields: when it opens."),
    duration: yes("For how long; from 1 m to 7 d."),
    time_zone: yes("An IANA name such as `Europe/Berlin`; default UTC."),
  });

const ours = under("services.*", {
  "x-skerry": yes("Skerry's own settings."),
  "x-skerry.disconnect": yes("What happens when a node is not heard from."),
  "x-skerry.disconnect.policy": yes(
    "`keep`: nothing moves (default for global, and for anything with a volume or a writable bind mount). `replace`: a copy starts elsewhere (default otherwise). `fence`: at most one copy, ever.",
  ),
  "x-skerry.disconnect.after": yes("From 1 s; 30 s when nothing is said."),
  "x-skerry.priority": yes("From -1000 to 1000; higher ones get room first when there is not enough. Default 0."),
  "x-skerry.probes": yes("Asked by the agent on the node, also without the hub. A change of them restarts nothing."),
  ...probe("startup", "Holds the other two back until it succeeded once; failing for good restarts the container."),
  ...probe("readiness", "Failing is shown and holds a rollout up; it restarts nothing."),
  ...probe("liveness", "Failing restarts the container."),
  "x-skerry.rollout": yes("How a new revision reaches the copies, beside `deploy.update_config`."),
  "x-skerry.rollout.canary": yes(
    "The first batch: a number, a percentage, or nodes. The others wait for `skerry rollout resume`, or `promote_after`.",
  ),
  "x-skerry.rollout.canary.constraint": yes('Copies on such nodes: `"node.labels.canary == yes"`.'),
  "x-skerry.rollout.promote_after": yes("Goes on by itself when all canaries were good for so long."),
  "x-skerry.rollout.batch_by": yes("A label of nodes: a batch never mixes two values of it. One site at a time."),
  "x-skerry.rollout.success_threshold": yes(
    "The share of the copies so far that must pass before the next batch, else `failure_action` decides; default 0.",
  ),
  "x-skerry.rollout.budget": yes("How many may be not good at one time, whatever the reason."),
  "x-skerry.rollout.budget.max_unavailable": yes("A number, or a percentage of the copies."),
  "x-skerry.rollout.budget.per": yes("A label of nodes: the budget counts for each value of it by itself."),
  "x-skerry.rollout.deadline": yes(
    "A new copy that is not good by then has failed; default 10 m. Time in which a pull moves bytes, or that waits for a window or a hold, does not count.",
  ),
  "x-skerry.update": yes("When nodes may change what runs; judged on the node, also without the hub."),
  ...window("download", "Images are pulled only in this window."),
  ...window("apply", "What runs well is replaced only in this window. First starts and healing are never held back."),
  "x-skerry.update.hold": yes(
    "`true`, or a map: the workload may put its own update off by a lease, at `/run/skerry/hold` in its container.",
  ),
  "x-skerry.update.hold.max": yes("The longest for one update, all leases together: from 1 s to 7 d; `true` is 1 h."),
});

/** By path: `*` is a name of the user's own, `[]` an item of a list. */
export const keyRules: ReadonlyMap<string, KeyRule> = new Map(
  Object.entries({
    ...topLevel,
    ...network,
    ...volume,
    ...running,
    ...networking,
    ...storage,
    ...limits,
    ...isolation,
    ...elsewhere,
    ...deploy,
    ...ours,
  }).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
);

/** The rule for a path of the table's own form, also below a refused key; undefined: no such key. */
export function ruleFor(path: string): KeyRule | undefined {
  const exact = keyRules.get(path);
  if (exact !== undefined) return exact;
  for (let end = lastCut(path); end > 0; end = lastCut(path.slice(0, end))) {
    const above = keyRules.get(path.slice(0, end));
    if (above?.use === "refused") return above;
  }
  return undefined;
}

function lastCut(path: string): number {
  return Math.max(path.lastIndexOf("."), path.lastIndexOf("["));
}
