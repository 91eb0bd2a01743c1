// Execute: one action, one engine call, one outcome. No choices are left here. The switch fails to compile when an action is missing.

import type { AssignedApp, Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { ContainerSpec, Mount } from "@skerry/shared/model/container.ts";
import { valueWords } from "@skerry/shared/model/value-names.ts";
import { confined } from "@skerry/shared/policy/confined.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import { type Clock, DeadlineError, sleep, withDeadline } from "@skerry/shared/runtime/clock.ts";
import type { Action } from "../core/action.ts";
import { expectedLimits, limitsText } from "../core/compare.ts";
import { refusalText, refusedBy } from "../core/policy.ts";
import type { Outcome } from "../core/remember.ts";
import { type Engine, EngineError, type PullProgress } from "../engine/engine.ts";
import type { HostPaths } from "../engine/host-paths.ts";
import { containerLabels, type LabelKey, objectLabels } from "../engine/labels.ts";
import type { ChangeTimes } from "../times/times.ts";
import type { Values } from "../values/values.ts";

/** The engine adapter has deadlines of its own; these catch one that breaks its promise. A slow SD card takes tens of seconds to create. */
const CHANGE_DEADLINE_MS = 180_000;
/** A stop may use its whole grace, which Compose users set to minutes, before the engine answers. */
const STOP_DEADLINE_MS = 900_000;
/** A pull has no length that is too long, only silences that are. */
const PULL_SILENCE_MS = 300_000;

export interface ExecuteParts {
  readonly clock: Clock;
  readonly engine: Engine;
  readonly labelKey: LabelKey;
  readonly times?: Pick<ChangeTimes, "holdMount">;
  /** Without them links are not followed: an engine that is no real one has none. */
  readonly hostPaths?: HostPaths;
  readonly desired: () => Assignment | null;
  readonly values?: Pick<Values, "mountsFor" | "registryLogin">;
}

export interface ActionContext {
  /** What this lane's create-container made; null: it made none. */
  readonly created: string | null;
  readonly progress: (now: PullProgress) => void;
  readonly signal: AbortSignal;
}

/** Never rejects, but on a bug. */
export async function execute(parts: ExecuteParts, action: Action, context: ActionContext): Promise<Outcome> {
  const startedMs = parts.clock.monotonicMs();
  try {
    const containerId = await call(parts, action, context);
    return { ok: true, containerId, tookMs: parts.clock.monotonicMs() - startedMs };
  } catch (error) {
    if (error instanceof DeadlineError) return { ok: false, kind: "unreachable", message: error.message };
    if (!(error instanceof EngineError)) throw error;
    const { kind, message, pullFailure } = error;
    return { ok: false, kind, message, ...(pullFailure === null ? {} : { pullFailure }) };
  }
}

/** The id of the container that it was about, where there is one. */
async function call(parts: ExecuteParts, action: Action, context: ActionContext): Promise<string | null> {
  const { clock, engine, labelKey } = parts;
  const within = <T>(afterMs: number, work: () => Promise<T>): Promise<T> =>
    withDeadline(clock, action.kind, afterMs, work);
  switch (action.kind) {
    case "pull-image":
      return await pull(parts, action, context);
    case "create-network": {
      const { app, network } = action;
      const labels = objectLabels(labelKey, "network", app, network.engineName);
      return await within(CHANGE_DEADLINE_MS, () => made(engine.createNetwork(network, labels)));
    }
    case "remove-network":
      return await within(CHANGE_DEADLINE_MS, () => gone(engine.removeNetwork(action.id)));
    case "create-volume": {
      const { app, volume } = action;
      const labels = objectLabels(labelKey, "volume", app, volume.engineName);
      return await within(CHANGE_DEADLINE_MS, () => made(engine.createVolume(volume, labels)));
    }
    case "create-container":
      return await within(CHANGE_DEADLINE_MS, () => create(parts, action));
    case "start-container": {
      const containerId = action.containerId ?? context.created;
      if (containerId === null) throw new EngineError("not-found", "there is no container to start");
      await within(CHANGE_DEADLINE_MS, () => engine.startContainer(containerId));
      return containerId;
    }
    case "stop-container":
      await within(STOP_DEADLINE_MS, () => gone(engine.stopContainer(action.containerId, action.graceMs)));
      return action.containerId;
    case "remove-container":
      await within(CHANGE_DEADLINE_MS, () => gone(engine.removeContainer(action.containerId, action.force)));
      return action.containerId;
    case "rename-container":
      await within(CHANGE_DEADLINE_MS, () => engine.renameContainer(action.containerId, action.name));
      return action.containerId;
    case "connect-network": {
      const { network, containerId, aliases, ipv4Address, ipv6Address } = action;
      const attachment = { aliases, ipv4Address, ipv6Address };
      await within(CHANGE_DEADLINE_MS, () => engine.connectNetwork(network, containerId, attachment));
      return containerId;
    }
    case "change-aliases": {
      const { network, containerId, aliases, pinned } = action;
      await within(CHANGE_DEADLINE_MS, () => engine.changeAliases(network, containerId, { aliases, pinned }));
      return containerId;
    }
    case "let-settle":
      await sleep(clock, action.forMs, context.signal);
      return action.containerId;
    default:
      return assertNever(action);
  }
}

async function create(
  { engine, labelKey, times, hostPaths, desired, values }: ExecuteParts,
  { workload, name, named }: Extract<Action, { kind: "create-container" }>,
): Promise<string> {
  const labels = containerLabels(labelKey, workload, name, limitsText(expectedLimits(workload.spec)));
  const fenced = workload.fencingToken > 0;
  const environment = fenced ? { SKERRY_FENCING_TOKEN: String(workload.fencingToken) } : {};
  const allowed = await allowedSpec(workload, desired()?.apps ?? [], hostPaths);
  const spec = named ? allowed : withoutAliases(allowed);
  const mount = await holdMount(times, workload);
  const files = await fileMounts(values, workload);
  const added = [...(mount === null ? [] : [mount]), ...files];
  const mounted = added.length === 0 ? spec : { ...spec, mounts: [...spec.mounts, ...added] };
  return await engine.createContainer({ name, spec: { ...mounted, ...silence(mounted) }, labels, environment });
}

/** What the engine is asked for where the file says nothing. */
function silence(spec: ContainerSpec): Pick<ContainerSpec, "capAdd" | "capDrop" | "securityOpt" | "pidsLimit"> {
  const { capAdd, capDrop, securityOpt, pidsLimit } = confined(spec);
  return { capAdd: [...capAdd], capDrop: [...capDrop], securityOpt: [...securityOpt], pidsLimit };
}

/**
 * Judged once more right before the engine is asked, with each host path as what it leads to; and the engine is given that path. Throws what is
 * no try again. What remains: a folder on the way that is exchanged for a link between this look and the mount, or before a later
 * start, by who may write beside it.
 */
async function allowedSpec(
  workload: Workload,
  apps: readonly AssignedApp[],
  paths: HostPaths | undefined,
): Promise<ContainerSpec> {
  const asked = refusalText(refusedBy(workload, apps));
  if (asked !== null) throw new EngineError("invalid", asked);
  const hasPaths = workload.spec.mounts.some(({ kind }) => kind === "bind") || workload.spec.devices.length > 0;
  if (paths === undefined || !hasPaths || workload.policy?.profile === "privileged") return workload.spec;
  const mounts = await Promise.all(
    workload.spec.mounts.map(async (mount) =>
      mount.kind === "bind" ? { ...mount, source: await real(paths, mount.source) } : mount,
    ),
  );
  for (const { host } of workload.spec.devices) {
    const path = await real(paths, host);
    if (!path.startsWith("/dev/"))
      throw new EngineError(
        "invalid",
        `this node refuses it by policy: device ${host} is a link to ${path}, out of /dev`,
      );
  }
  const spec = { ...workload.spec, mounts };
  const followed = refusalText(refusedBy({ ...workload, spec }, apps, paths.closed));
  if (followed === null) return spec;
  throw new EngineError("invalid", `${followed} (links are followed: grant the path that they lead to)`);
}

async function real(paths: HostPaths, path: string): Promise<string> {
  try {
    return await paths.real(path);
  } catch (error) {
    throw new EngineError("retry", `could not look at ${path} on this machine: ${String(error)}`, { cause: error });
  }
}

function withoutAliases(spec: ContainerSpec): ContainerSpec {
  return { ...spec, networks: spec.networks.map((attachment) => ({ ...attachment, aliases: [] })) };
}

/** The paths are all that the engine hears of them. */
async function fileMounts(values: ExecuteParts["values"], workload: Workload): Promise<readonly Mount[]> {
  if (workload.spec.files === null) return [];
  try {
    if (values === undefined) throw new Error("this agent has no place for secrets and configs");
    return await values.mountsFor(workload);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError("retry", `could not give it its secrets and configs: ${why}`, { cause: error });
  }
}

/** Not part of the spec, so it comes with the next container when it is turned on. */
async function holdMount(times: ExecuteParts["times"], workload: Workload): Promise<Mount | null> {
  try {
    return (await times?.holdMount(workload)) ?? null;
  } catch (error) {
    throw new EngineError("retry", `could not make the folder for its holds: ${String(error)}`, { cause: error });
  }
}

/** "Not there" is what a stop or a removal wants. */
async function gone(work: Promise<void>): Promise<null> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== "not-found") throw error;
  }
  return null;
}

/** "There already" is what a creation of a network or volume wants; the next look says whose it is. */
async function made(work: Promise<void>): Promise<null> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== "conflict") throw error;
  }
  return null;
}

/** Given up when nothing was heard for PULL_SILENCE_MS, or when `signal` says that nobody wants it any more. */
async function pull(
  { clock, engine, values }: ExecuteParts,
  { image, platform, credential }: Extract<Action, { kind: "pull-image" }>,
  { progress, signal }: ActionContext,
): Promise<null> {
  const login = credential === null ? null : (values?.registryLogin(credential) ?? null);
  // It was here when this was planned: one that does not open is asked for again, and waited for.
  if (credential !== null && login === null)
    throw new EngineError("retry", `${valueWords(credential)} cannot be read on this node and is asked for again`, {
      pullFailure: "other",
    });
  const silence = new AbortController();
  const stalled = Promise.withResolvers<never>();
  const giveUp = (): void => {
    stalled.reject(
      new EngineError("retry", `pull of ${image} made no progress for ${PULL_SILENCE_MS / 1_000} s`, {
        pullFailure: "unreachable",
      }),
    );
    silence.abort();
  };
  let timer = clock.setTimer(PULL_SILENCE_MS, giveUp);
  const onProgress = (now: PullProgress): void => {
    timer.cancel();
    timer = clock.setTimer(PULL_SILENCE_MS, giveUp);
    progress(now);
  };
  try {
    const both = AbortSignal.any([signal, silence.signal]);
    await Promise.race([engine.pullImage(image, platform, login, onProgress, both), stalled.promise]);
    return null;
  } finally {
    timer.cancel();
  }
}
