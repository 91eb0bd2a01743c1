// ContainerSpec: everything that an agent may ask of an engine for one container, in typed fields of our own.
// The engine's request is built from these fields and nothing else. Absent is null, never undefined; empty is [] or {}.
// Adding a field: nullable with null as default, so that no existing spec hash changes.
import * as z from "zod/mini";
import { serviceNameSchema } from "./ids.ts";
import { containerFileSchema, MAX_CONTAINER_FILES } from "./value.ts";

/** A string that reaches the engine or a screen: bounded, without NUL. 32 KiB as for one environment value on Linux (128 KiB) with room. */
const MAX_TEXT = 32_768;
const text = () => z.string().check(z.maxLength(MAX_TEXT), z.regex(/^[^\0]*$/));
const shortText = () => z.string().check(z.maxLength(4_096), z.regex(/^[^\0]*$/));
const list = <T extends z.core.$ZodType>(item: T, most: number) => z.array(item).check(z.maxLength(most));
const nat = () => z.int().check(z.gte(0));
/** Lists in a file are short; 256 bounds what one service can make an engine or a screen handle. */
const MAX_LIST = 256;

export const portSchema = z.object({
  /** null: published on a port that the engine chooses. */
  hostPort: z.nullable(z.int().check(z.gte(1), z.lte(65_535))),
  containerPort: z.int().check(z.gte(1), z.lte(65_535)),
  protocol: z.enum(["tcp", "udp", "sctp"]),
  /** "" = all addresses. */
  hostIp: shortText(),
});
export type Port = z.infer<typeof portSchema>;

export const mountSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("volume"),
    /** The engine's name of the volume; null = anonymous. */
    source: z.nullable(shortText()),
    target: shortText(),
    readOnly: z.boolean(),
    noCopy: z.boolean(),
    subpath: z.nullable(shortText()),
  }),
  z.object({
    kind: z.literal("bind"),
    source: shortText(),
    target: shortText(),
    readOnly: z.boolean(),
    propagation: z.nullable(z.enum(["private", "rprivate", "shared", "rshared", "slave", "rslave"])),
    createHostPath: z.boolean(),
  }),
  z.object({
    kind: z.literal("tmpfs"),
    target: shortText(),
    sizeBytes: z.nullable(nat()),
    mode: z.nullable(nat()),
    readOnly: z.boolean(),
  }),
]);
export type Mount = z.infer<typeof mountSchema>;

export const networkAttachmentSchema = z.object({
  /** The engine's name of the network, as in AssignedNetwork.engineName. */
  network: shortText(),
  /** Service name and `aliases` of the file. */
  aliases: list(shortText(), MAX_LIST),
  ipv4Address: z.nullable(shortText()),
  ipv6Address: z.nullable(shortText()),
  macAddress: z.nullable(shortText()),
  linkLocalIps: list(shortText(), MAX_LIST),
  priority: z.nullable(z.int()),
});
export type NetworkAttachment = z.infer<typeof networkAttachmentSchema>;

export const healthcheckSchema = z.object({
  /** ["NONE"] switches an image's own check off; else ["CMD", …] or ["CMD-SHELL", line]. null: the image's own test with the times given here. */
  test: z.nullable(list(text(), MAX_LIST)),
  intervalMs: z.nullable(nat()),
  timeoutMs: z.nullable(nat()),
  startPeriodMs: z.nullable(nat()),
  startIntervalMs: z.nullable(nat()),
  retries: z.nullable(nat()),
});
export type Healthcheck = z.infer<typeof healthcheckSchema>;

export const restartSchema = z.object({
  policy: z.enum(["always", "unless-stopped", "on-failure", "no"]),
  /** For on-failure: give up after so many tries; null = never. */
  maxAttempts: z.nullable(nat()),
  /** Floor of the back-off between tries, from deploy.restart_policy.delay; null = ours. */
  delayMs: z.nullable(nat()),
  /** A run at least this long counts as a success, from deploy.restart_policy.window; null = ours. */
  windowMs: z.nullable(nat()),
});
export type Restart = z.infer<typeof restartSchema>;

export const dependencySchema = z.object({
  service: serviceNameSchema,
  condition: z.enum(["service_started", "service_healthy", "service_completed_successfully"]),
  /** Restart this service after the dependency was replaced. */
  restart: z.boolean(),
  /** false: a dependency that is not there is no obstacle. */
  required: z.boolean(),
});
export type Dependency = z.infer<typeof dependencySchema>;

export const containerSpecSchema = z.object({
  image: shortText(),
  pullPolicy: z.enum(["always", "missing", "never"]),
  platform: z.nullable(shortText()),
  /** null = the image's own. */
  entrypoint: z.nullable(list(text(), MAX_LIST)),
  command: z.nullable(list(text(), MAX_LIST)),
  environment: z.record(shortText(), text()),
  labels: z.record(shortText(), text()),
  annotations: z.record(shortText(), text()),
  workingDir: z.nullable(shortText()),
  user: z.nullable(shortText()),
  hostname: z.nullable(shortText()),
  domainname: z.nullable(shortText()),
  init: z.nullable(z.boolean()),
  tty: z.boolean(),
  stdinOpen: z.boolean(),
  readOnlyRootfs: z.boolean(),
  privileged: z.boolean(),
  stopSignal: z.nullable(shortText()),
  stopGraceMs: z.nullable(nat()),
  ports: list(portSchema, MAX_LIST),
  exposedPorts: list(shortText(), MAX_LIST),
  mounts: list(mountSchema, MAX_LIST),
  networkMode: z.enum(["networks", "host", "none", "bridge"]),
  networks: list(networkAttachmentSchema, 32),
  extraHosts: list(shortText(), MAX_LIST),
  dns: list(shortText(), 32),
  dnsOptions: list(shortText(), 32),
  dnsSearch: list(shortText(), 32),
  healthcheck: z.nullable(healthcheckSchema),
  restart: restartSchema,
  dependsOn: list(dependencySchema, MAX_LIST),
  memoryBytes: z.nullable(nat()),
  memoryReservationBytes: z.nullable(nat()),
  memorySwapBytes: z.nullable(z.int()),
  memorySwappiness: z.nullable(nat()),
  /** Billionths of a CPU. */
  nanoCpus: z.nullable(nat()),
  cpuShares: z.nullable(nat()),
  cpuQuota: z.nullable(z.int()),
  cpuPeriod: z.nullable(nat()),
  cpuset: z.nullable(shortText()),
  cpuRtPeriod: z.nullable(nat()),
  cpuRtRuntime: z.nullable(nat()),
  pidsLimit: z.nullable(z.int()),
  blkioWeight: z.nullable(nat()),
  oomKillDisable: z.nullable(z.boolean()),
  oomScoreAdj: z.nullable(z.int()),
  shmSizeBytes: z.nullable(nat()),
  ulimits: list(z.object({ name: shortText(), soft: z.int(), hard: z.int() }), MAX_LIST),
  sysctls: z.record(shortText(), shortText()),
  devices: list(z.object({ host: shortText(), container: shortText(), permissions: shortText() }), MAX_LIST),
  deviceCgroupRules: list(shortText(), MAX_LIST),
  capAdd: list(shortText(), MAX_LIST),
  capDrop: list(shortText(), MAX_LIST),
  securityOpt: list(shortText(), MAX_LIST),
  groupAdd: list(shortText(), MAX_LIST),
  cgroup: z.nullable(z.enum(["host", "private"])),
  cgroupParent: z.nullable(shortText()),
  ipcMode: z.nullable(shortText()),
  pidMode: z.nullable(shortText()),
  utsMode: z.nullable(shortText()),
  usernsMode: z.nullable(shortText()),
  isolation: z.nullable(shortText()),
  runtime: z.nullable(shortText()),
  storageOpt: z.record(shortText(), shortText()),
  /** Never unbounded: the compiler puts json-file, 10 MB × 3 where the file says nothing. */
  logging: z.object({ driver: shortText(), options: z.record(shortText(), shortText()) }),
  /** Secrets and configs, sorted by target; null: none. */
  files: z._default(z.nullable(list(containerFileSchema, MAX_CONTAINER_FILES)), null),
});
export type ContainerSpec = z.infer<typeof containerSpecSchema>;

/** What a container is when a file says nothing but its image. Start from this when building specs in code. */
export const defaultContainerSpec: Omit<ContainerSpec, "image"> = {
  pullPolicy: "missing",
  platform: null,
  entrypoint: null,
  command: null,
  environment: {},
  labels: {},
  annotations: {},
  workingDir: null,
  user: null,
  hostname: null,
  domainname: null,
  init: null,
  tty: false,
  stdinOpen: false,
  readOnlyRootfs: false,
  privileged: false,
  stopSignal: null,
  stopGraceMs: null,
  ports: [],
  exposedPorts: [],
  mounts: [],
  networkMode: "networks",
  networks: [],
  extraHosts: [],
  dns: [],
  dnsOptions: [],
  dnsSearch: [],
  healthcheck: null,
  restart: { policy: "always", maxAttempts: null, delayMs: null, windowMs: null },
  dependsOn: [],
  memoryBytes: null,
  memoryReservationBytes: null,
  memorySwapBytes: null,
  memorySwappiness: null,
  nanoCpus: null,
  cpuShares: null,
  cpuQuota: null,
  cpuPeriod: null,
  cpuset: null,
  cpuRtPeriod: null,
  cpuRtRuntime: null,
  pidsLimit: null,
  blkioWeight: null,
  oomKillDisable: null,
  oomScoreAdj: null,
  shmSizeBytes: null,
  ulimits: [],
  sysctls: {},
  devices: [],
  deviceCgroupRules: [],
  capAdd: [],
  capDrop: [],
  securityOpt: [],
  groupAdd: [],
  cgroup: null,
  cgroupParent: null,
  ipcMode: null,
  pidMode: null,
  utsMode: null,
  usernsMode: null,
  isolation: null,
  runtime: null,
  storageOpt: {},
  logging: { driver: "json-file", options: { "max-size": "10m", "max-file": "3" } },
  files: null,
};
