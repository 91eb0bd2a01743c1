// Secrets and configs: set, listed, removed; a config is shown, a secret never is. A new value of one that is used makes a new revision of each
// app that uses it, at once: the answer names them.

import type { AppName } from "@skerry/shared/model/ids.ts";
import type { FileValueKind } from "@skerry/shared/model/value.ts";
import { restContext } from "@skerry/shared/model/value-names.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import { withVersion } from "../../compose/renew.ts";
import { currentVersion, type StoredValue, sameValue, usersByValue, usersOf, valueIdKey } from "../../core/value.ts";
import { KeyringError } from "../../keyring/keyring.ts";
import { Contents, currentRef } from "../../values/contents.ts";
import type { Sight } from "../access.ts";
import type { CheckedOf } from "../api.ts";
import { sightOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError, quoted, sentence } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import type { ValueSet, ValueView } from "../schemas/values.ts";
import { write } from "../write.ts";

type ValueRoutes =
  | "setSecret"
  | "listSecrets"
  | "removeSecret"
  | "setConfig"
  | "listConfigs"
  | "getConfig"
  | "removeConfig"
  | "rotateSecretKeys";

export const contentsOf = ({ loop, store, keyring, random }: HttpDeps): Contents =>
  new Contents({ installation: loop.world.installation, store, keyring, random });

/** What the keyring cannot do, as the API's own error. */
export function unlocked<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof KeyringError) throw new HttpError("secrets-locked", sentence(error.message));
    throw error;
  }
}

export function valueHandlers(deps: HttpDeps): HandlersOf<ValueRoutes> {
  return {
    setSecret: ({ params, body, request }) => setValue(deps, "secret", params.secret, body, request),
    setConfig: ({ params, body, request }) => setValue(deps, "config", params.config, body, request),
    listSecrets: ({ request }) => ({
      items: listed(deps, "secret", sightOfCaller(request), () => true),
      seq: deps.loop.world.seq,
    }),
    listConfigs: ({ request }) => {
      const sight = sightOfCaller(request);
      return { items: listed(deps, "config", sight, (value) => seesConfig(sight, value)), seq: deps.loop.world.seq };
    },
    getConfig: ({ params, query, request }) => {
      const sight = sightOfCaller(request);
      const id = { kind: "config", app: query.app ?? null, name: params.config } as const;
      const value = deps.store.values().find((one) => sameValue(one, id) && seesConfig(sight, one));
      const ref = value === undefined ? null : currentRef(value);
      const content = ref === null ? null : unlocked(() => contentsOf(deps).read(ref));
      if (value === undefined || content === null) throw notFound("config", params.config);
      return { ...view(value, usersOf(deps.loop.world, value), true, sight), value: content.toString("base64") };
    },
    removeSecret: ({ params, request }) => removeValue(deps, "secret", params.secret, request),
    removeConfig: ({ params, request }) => removeValue(deps, "config", params.config, request),
    rotateSecretKeys: ({ request }) => rotate(deps, request),
  };
}

const notFound = (kind: FileValueKind, name: string): HttpError =>
  new HttpError("value-not-found", `There is no ${kind} ${quoted(name)}.`, { path: kind });

/** Who may see one of the apps that it is for; one that is for no named app is for who may see all. */
function seesConfig({ apps: seen }: Sight, { app, apps }: StoredValue): boolean {
  if (seen === null) return true;
  return [...(app === null ? [] : [app]), ...apps].some((name) => seen.includes(name));
}

function setValue(
  deps: HttpDeps,
  kind: FileValueKind,
  name: string,
  { value: text, apps }: CheckedOf<"setSecret">["body"],
  request: FastifyRequest,
): ValueSet {
  return unlocked(() =>
    write(deps, request, () => {
      const contents = contentsOf(deps);
      const id = { kind, app: null, name };
      const content = Buffer.from(text, "base64");
      const before = deps.store.values().find((one) => sameValue(one, id));
      const isSame = before !== undefined && contents.versionWith(before, content) !== null;
      const version = contents.freshVersion();
      const fresh = isSame ? null : contents.seal(id, version, content);
      const specs =
        fresh === null
          ? []
          : [...deps.loop.world.apps.values()].flatMap(({ spec }) => withVersion(spec, { ...id, version }) ?? []);
      return {
        command: { kind: "set-value", value: id, apps, fresh, specs },
        answer: (outcome) => {
          assert(outcome.kind === "value-set", "set-value made something else");
          const { created, changed, revised } = outcome;
          return { name, version: outcome.version, created, changed, revised: [...revised] };
        },
      };
    }),
  );
}

function listed(
  deps: HttpDeps,
  kind: FileValueKind,
  sight: Sight,
  isSeen: (value: StoredValue) => boolean,
): ValueView[] {
  const isReadable = contentsOf(deps).readable();
  const users = usersByValue(deps.loop.world);
  const own = deps.store.values().filter((value) => value.kind === kind && isSeen(value));
  return own.map((value) => view(value, users.get(valueIdKey(value)) ?? [], isReadable(value), sight));
}

/** Other apps than the caller sees are not named. */
function view(value: StoredValue, users: readonly AppName[], readable: boolean, sight: Sight): ValueView {
  const isSeen = (of: AppName): boolean => sight.app(of);
  const { name, app, apps } = value;
  const { version = "", bytes = 0, madeAtMs = 0, madeBy = "" } = currentVersion(value) ?? {};
  return {
    ...{ name, app, version, bytes },
    apps: apps.filter(isSeen),
    setAtMs: madeAtMs,
    setBy: madeBy,
    usedBy: users.filter(isSeen),
    readable,
  };
}

function removeValue(deps: HttpDeps, kind: FileValueKind, name: string, request: FastifyRequest): { name: string } {
  return write(deps, request, () => ({
    command: { kind: "remove-value", value: { kind, app: null, name } },
    answer: () => ({ name }),
  }));
}

/**
 * First the new key is durable, then all is wrapped by it in one commit, and only then are older keys forgotten that nothing is under any more: cut off
 * anywhere, asking again brings it to its end.
 */
function rotate(deps: HttpDeps, request: FastifyRequest): { rewrapped: number; left: number; keys: number } {
  const { loop, store, keyring } = deps;
  return unlocked(() => {
    // A new file in the place of one that may be put back would be in its way.
    if (keyring.size() === null && store.valueKeys().length > 0)
      throw new HttpError("secrets-locked", "The hub's keys are not there, so nothing can be put under a new one.");
    let left = 0;
    const answer = write(deps, request, () => {
      keyring.rotate();
      const items = store.valueKeys().flatMap(({ ref, key, wrapped }) => {
        if (!keyring.has(key)) left += 1;
        const again = keyring.has(key)
          ? keyring.rewrap(restContext(loop.world.installation, ref), { key, wrapped })
          : null;
        return again === null ? [] : [{ ref, ...again }];
      });
      return {
        command: { kind: "rewrap-values", items },
        answer: () => ({ rewrapped: items.length, left, keys: keyring.size() ?? 0 }),
      };
    });
    keyring.retire(new Set(store.valueKeys().map(({ key }) => key)));
    return { ...answer, keys: keyring.size() ?? 0 };
  });
}
