// Values on the node: secrets and configs from the hub's sealed boxes to files in containers, and registry credentials to the pull that needs
// one. At rest they stay sealed; in clear they are only in memory, one file for each container and value, made anew after a reboot before anything
// starts. What no container and no assignment needs any more is wiped. It must never log what is in one, or write it anywhere else.
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import type { Mount } from "@skerry/shared/model/container.ts";
import { type RegistryLogin, readRegistryLogin } from "@skerry/shared/model/registry-login.ts";
import type { ContainerFile, ValueRef } from "@skerry/shared/model/value.ts";
import { boxContext, valueKey, valueWords } from "@skerry/shared/model/value-names.ts";
import { valueText } from "@skerry/shared/protocol/hub-word.ts";
import { boxKeyText } from "@skerry/shared/protocol/proof.ts";
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import { boxKeyOf, boxPublicKeyOf, openBox } from "@skerry/shared/runtime/sealed-box.ts";
import { isSignedBy, signText } from "@skerry/shared/runtime/signature.ts";
import type { ValuesHere } from "../core/plan/scene.ts";
import type { Identity } from "../ledger/ledger.ts";
import { AtRest, type BoxAtRest, mountName, type ValueMount } from "./at-rest.ts";
import { haveMemoryFolder } from "./memory-folder.ts";

/** After memory was not to be had: not at each look. */
const TRY_AGAIN_MS = 30_000;

/** Of the node: whose boxes it takes, and what opens them. */
export type ValuesIdentity = Pick<Identity, "installation" | "node" | "privateKey" | "hubKey" | "formerBoxKeys">;

export interface ValuesParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Asked each time, for its key may change. */
  readonly identity: () => ValuesIdentity;
  /** Of the former keys these alone are needed still. false: it could not be written, and is asked again. */
  readonly keepBoxKeys: (formerBoxKeys: readonly string[]) => boolean;
  /** Durable, for its owner alone. */
  readonly dataDir: string;
  /** Cleared by a reboot. */
  readonly runDir: string;
  readonly haveMemory?: (path: string) => Promise<string | null>;
}

interface BoxKey {
  readonly own: string;
  readonly given: string;
}

export interface OwnMount {
  readonly workload: string;
  readonly specHash: string;
}

export class Values {
  readonly #parts: ValuesParts;
  readonly #rest: AtRest;
  /** Where files are in clear: in memory. */
  readonly #folder: string;
  readonly #refused = new Map<string, string>();
  /** Worked out from the node's key, and those that were given up, newest last. */
  #keys: { readonly nodeKey: string; readonly present: BoxKey; readonly former: readonly BoxKey[] } | null = null;
  #trouble: { readonly words: string; readonly untilMs: Millis } | null = null;
  #here: ReadonlySet<string> | null = null;
  #news: () => void = () => undefined;

  constructor(parts: ValuesParts) {
    this.#parts = parts;
    this.#rest = new AtRest(join(parts.dataDir, "values"));
    // Several agents may share a machine.
    this.#folder = join(parts.runDir, `values-${parts.identity().node}`);
  }

  /** Called when one came, or is refused. */
  onNews(news: () => void): void {
    this.#news = news;
  }

  // ---- for the reconciler

  here(): ValuesHere {
    return { here: this.#keysHere(), refused: this.#refused, trouble: this.#trouble?.words ?? null };
  }

  /**
   * Before each plan: files of containers that stand are there again, and what nobody needs goes. `desired`: what is planned for, with `own` as it
   * was seen. `now`: what is desired meanwhile, and may have had its values already.
   */
  async look(desired: Assignment | null, own: readonly OwnMount[], now: () => Assignment | null): Promise<void> {
    this.#forgetKeys();
    const isWanted = mountsWanted(desired).size > 0;
    if (!isWanted && this.#rest.isEmpty) return;
    // Registry credentials are no files: they need no place.
    const isPlace = (isWanted || this.#rest.mounts.size > 0) && (await this.#haveFolder());
    if (isPlace) for (const mount of this.#rest.mounts.values()) this.#remakeFiles(mount);
    try {
      if (desired !== null) this.#tidy([desired, now() ?? desired], own);
    } catch (error) {
      // A disk that cannot be written: what stands there stays, and is looked at again.
      this.#parts.log.warn("secrets and configs could not be tidied", {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** The files of a container that is about to be made. Throws with a plain sentence. */
  async mountsFor({ id, specHash, spec: { files } }: Workload): Promise<readonly Mount[]> {
    if (files === null) return [];
    if (!(await this.#haveFolder())) throw new Error(this.#trouble?.words ?? "there is no memory for its secrets");
    const mount: ValueMount = { workload: id, specHash, files };
    // First durable: after a power cut a container without its files could not start.
    this.#rest.keepMount(mount);
    this.#makeFiles(mount);
    return files.map((file, at): Mount => {
      const source = this.#pathOf(mount, at);
      if (!existsSync(source)) throw new Error(`${valueWords(file.value)} is not on this node`);
      return { kind: "bind", source, target: file.target, readOnly: true, propagation: null, createHostPath: false };
    });
  }

  /** What a registry is shown for one pull, opened for that alone. null: it is not here, or does not open and is asked for again. */
  registryLogin(ref: ValueRef): RegistryLogin | null {
    const content = this.#opened(ref);
    if (content === null) return null;
    const login = readRegistryLogin(content.toString("utf8"));
    content.fill(0);
    return login;
  }

  // ---- for the link

  /** What the assignment names and is not here, or is under a key that was given up: it opens, and is wanted anew. */
  lacking(assignment: Assignment | null): readonly ValueRef[] {
    const files = [...mountsWanted(assignment).values()].flatMap((mount) => mount.files.map(({ value }) => value));
    const refs = [...files, ...registriesWanted(assignment)];
    const here =
      refs.length === 0 || this.#rest.isEmpty ? new Set() : this.#rest.keysUnder([this.#boxKeys().present.given]);
    return [...new Map(refs.filter((ref) => !here.has(valueKey(ref))).map((ref) => [valueKey(ref), ref])).values()];
  }

  /** The key for which the hub is to seal, and the proof that it is this node's. */
  proof(): { readonly boxKey: string; readonly signature: string } {
    const identity = this.#parts.identity();
    const boxKey = this.#boxKeys().present.given;
    return { boxKey, signature: signText(identity.privateKey, boxKeyText(identity, boxKey)) };
  }

  take(ref: ValueRef, box: string, signature: string): void {
    const { log } = this.#parts;
    const held = { boxKey: this.#boxKeys().present.given, box, signature };
    if (this.#open(ref, held) === null) return this.refuse(ref, "what the hub gave is not sealed for this node");
    try {
      this.#rest.keep(ref, held);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log.warn("a value could not be kept", { value: valueWords(ref), reason: why });
      return this.refuse(ref, `this node could not keep it (${why}): free some space on its disk`);
    }
    this.#here = null;
    this.#refused.delete(valueKey(ref));
    log.info("a value has come", { value: valueWords(ref) });
    this.#forgetKeys();
    this.#news();
  }

  refuse(ref: ValueRef, reason: string): void {
    if (this.#refused.get(valueKey(ref)) === reason) return;
    this.#refused.set(valueKey(ref), reason);
    this.#news();
  }

  // ---- inside

  #keysHere(): ReadonlySet<string> {
    // No key is worked out where no value is.
    this.#here ??= this.#rest.isEmpty ? new Set() : this.#rest.keysUnder(this.#allBoxKeys().map(({ given }) => given));
    return this.#here;
  }

  #boxKeys(): { readonly present: BoxKey; readonly former: readonly BoxKey[] } {
    const { privateKey, formerBoxKeys } = this.#parts.identity();
    if (this.#keys?.nodeKey !== privateKey) {
      const [present, former] = [boxKeyPair(boxKeyOf(privateKey)), formerBoxKeys.map(boxKeyPair)];
      this.#keys = { nodeKey: privateKey, present, former };
      this.#here = null;
    }
    return this.#keys;
  }

  #allBoxKeys(): readonly BoxKey[] {
    const { present, former } = this.#boxKeys();
    return [present, ...former];
  }

  /** null: not signed by this node's hub, or not sealed for this node, or not whole. */
  #open(ref: ValueRef, { boxKey, box, signature }: BoxAtRest): Buffer | null {
    const identity = this.#parts.identity();
    const { installation, node, hubKey } = identity;
    const key = this.#allBoxKeys().find(({ given }) => given === boxKey);
    if (key === undefined || hubKey === null) return null;
    if (!isSignedBy(hubKey, valueText(identity, ref, box), signature)) return null;
    return openBox(key.own, boxContext(installation, node, ref), box);
  }

  /** Keys under which nothing lies any more. */
  #forgetKeys(): void {
    const { formerBoxKeys } = this.#parts.identity();
    if (formerBoxKeys.length === 0) return;
    const used = this.#rest.boxKeys();
    const needed = formerBoxKeys.filter((own) => used.has(boxPublicKeyOf(own)));
    if (needed.length === formerBoxKeys.length || !this.#parts.keepBoxKeys(needed)) return;
    this.#parts.log.info("a key that was given up is forgotten", { left: needed.length });
  }

  async #haveFolder(): Promise<boolean> {
    const { clock, log } = this.#parts;
    if (this.#trouble !== null && clock.monotonicMs() < this.#trouble.untilMs) return false;
    const why = await (this.#parts.haveMemory ?? haveMemoryFolder)(this.#folder);
    if (why === null) {
      this.#trouble = null;
      return true;
    }
    const words = `its secrets and configs have no place in memory at ${this.#folder} (${why}), and are not written to a disk: run the agent as root, or with a --run-dir on a tmpfs`;
    if (this.#trouble === null) log.warn("no memory for secrets", { folder: this.#folder, reason: why });
    this.#trouble = { words, untilMs: clock.monotonicMs() + TRY_AGAIN_MS };
    return false;
  }

  #pathOf({ workload, specHash }: OwnMount, at: number): string {
    return join(this.#folder, mountName(workload, specHash), String(at));
  }

  /** Those that are not there. One that is there is left alone: its container holds it. Throws with a plain sentence. */
  #makeFiles(mount: ValueMount): void {
    for (const [at, file] of mount.files.entries()) {
      const path = this.#pathOf(mount, at);
      if (existsSync(path)) continue;
      const content = this.#opened(file.value);
      if (content !== null) this.#writeFile(path, file, content);
    }
  }

  #remakeFiles(mount: ValueMount): void {
    try {
      this.#makeFiles(mount);
    } catch (error) {
      // Said for each look, as long as it is so: the container cannot start without.
      this.#parts.log.warn("files of a container are not there", {
        workload: mount.workload,
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** null: it is not here, or does not open: then it is as one that never came. */
  #opened(ref: ValueRef): Buffer | null {
    const box = this.#rest.box(ref);
    const content = box === null ? null : this.#open(ref, box);
    if (content !== null) return content;
    if (this.#rest.has(ref)) {
      this.#parts.log.warn("a value at rest does not open, and is asked for again", { value: valueWords(ref) });
      this.#rest.drop(ref);
      this.#here = null;
    }
    return null;
  }

  /** Whole, with its owner and mode, before it has its name. */
  #writeFile(path: string, { value, mode, uid, gid }: ContainerFile, content: Buffer): void {
    const temporary = `${path}.new`;
    try {
      mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
      writeFileSync(temporary, content, { mode: 0o600 });
      // An agent that is not root can give files to nobody else; root is what a file is made for unless the app's file says otherwise.
      if (process.getuid?.() === 0) chownSync(temporary, uid, gid);
      chmodSync(temporary, mode);
      renameSync(temporary, path);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${valueWords(value)} could not be put into memory at ${this.#folder} (${why})`, {
        cause: error,
      });
    } finally {
      content.fill(0);
    }
  }

  #tidy(desired: readonly Assignment[], own: readonly OwnMount[]): void {
    const wanted = new Map(desired.flatMap((one) => [...mountsWanted(one)]));
    const kept = new Set([...wanted.keys(), ...own.map(({ workload, specHash }) => mountName(workload, specHash))]);
    for (const name of [...this.#rest.mounts.keys()]) {
      if (kept.has(name)) continue;
      rmSync(join(this.#folder, name), { recursive: true, force: true });
      this.#rest.dropMount(name);
    }
    const files = [...wanted.values(), ...this.#rest.mounts.values()].flatMap((mount) => mount.files);
    const needed = new Set([...files.map(({ value }) => value), ...desired.flatMap(registriesWanted)].map(valueKey));
    for (const ref of this.#rest.refs()) {
      if (needed.has(valueKey(ref))) continue;
      this.#rest.drop(ref);
      this.#here = null;
    }
    for (const key of [...this.#refused.keys()]) if (!needed.has(key)) this.#refused.delete(key);
  }
}

const boxKeyPair = (own: string): BoxKey => ({ own, given: boxPublicKeyOf(own) });

/** By `mountName`: of what is wanted, and of what it may go back to. */
function mountsWanted(desired: Assignment | null): ReadonlyMap<string, ValueMount> {
  const found = new Map<string, ValueMount>();
  for (const { id, specHash, spec, changeOver } of desired?.workloads ?? [])
    for (const one of [{ specHash, spec }, changeOver.previous])
      if (one !== null && one.spec.files !== null)
        found.set(mountName(id, one.specHash), { workload: id, specHash: one.specHash, files: one.spec.files });
  return found;
}

/** The credentials by which images of any app here are pulled. */
const registriesWanted = (desired: Assignment | null): readonly ValueRef[] =>
  (desired?.apps ?? []).flatMap(({ registries }) => registries ?? []);
