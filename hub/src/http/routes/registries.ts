// Registry credentials: set, listed, removed. A password is in no answer. A new one makes no revision: it reaches the nodes by itself, and is used
// at their next pull.
import type { AppName } from "@skerry/shared/model/ids.ts";
import { readRegistryLogin, registryLoginText } from "@skerry/shared/model/registry-login.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import { appsPulledBy } from "../../core/registry.ts";
import { currentVersion, type StoredValue, sameValue } from "../../core/value.ts";
import { KeyringError } from "../../keyring/keyring.ts";
import { type Contents, currentRef } from "../../values/contents.ts";
import type { Sight } from "../access.ts";
import type { CheckedOf } from "../api.ts";
import { sightOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import type { HandlersOf } from "../handler.ts";
import type { RegistrySet, RegistryView } from "../schemas/values.ts";
import { write } from "../write.ts";
import { contentsOf, unlocked } from "./values.ts";

type RegistryRoutes = "setRegistry" | "listRegistries" | "removeRegistry";

export function registryHandlers(deps: HttpDeps): HandlersOf<RegistryRoutes> {
  return {
    setRegistry: ({ params, body, request }) => setRegistry(deps, params.registry, body, request),
    listRegistries: ({ request }) => {
      const contents = contentsOf(deps);
      const sight = sightOfCaller(request);
      const credentials = deps.store.values().filter(({ kind }) => kind === "registry");
      return { items: credentials.map((one) => view(deps, contents, one, sight)), seq: deps.loop.world.seq };
    },
    removeRegistry: ({ params: { registry }, request }) =>
      write(deps, request, () => ({
        command: { kind: "remove-value", value: idOf(registry) },
        answer: () => ({ registry }),
      })),
  };
}

const idOf = (registry: string) => ({ kind: "registry", app: null, name: registry }) as const;

function setRegistry(
  deps: HttpDeps,
  registry: string,
  { user, password, apps }: CheckedOf<"setRegistry">["body"],
  request: FastifyRequest,
): RegistrySet {
  return unlocked(() =>
    write(deps, request, () => {
      const contents = contentsOf(deps);
      const id = idOf(registry);
      const content = Buffer.from(registryLoginText({ user, password }), "utf8");
      const before = deps.store.values().find((one) => sameValue(one, id));
      const isSame = before !== undefined && contents.versionWith(before, content) !== null;
      const fresh = isSame ? null : contents.seal(id, contents.freshVersion(), content);
      content.fill(0);
      return {
        command: { kind: "set-value", value: id, apps: apps ?? null, fresh, specs: [] },
        answer: (outcome) => {
          assert(outcome.kind === "value-set", "set-value made something else");
          const { created, changed } = outcome;
          const stored = deps.loop.world.registries.get(registry);
          const usedBy = stored === undefined ? [] : usersSeen(deps, stored, sightOfCaller(request));
          return { registry, created, changed, usedBy };
        },
      };
    }),
  );
}

/** Other apps than the caller sees are not named. */
const usersSeen = ({ loop }: HttpDeps, credential: StoredValue, sight: Sight): AppName[] =>
  appsPulledBy(loop.world, credential).filter((app) => sight.app(app));

function view(deps: HttpDeps, contents: Contents, credential: StoredValue, sight: Sight): RegistryView {
  const { madeAtMs = 0, madeBy = "" } = currentVersion(credential) ?? {};
  return {
    registry: credential.name,
    user: userOf(contents, credential),
    apps: credential.apps.filter((app) => sight.app(app)),
    setAtMs: madeAtMs,
    setBy: madeBy,
    usedBy: usersSeen(deps, credential, sight),
  };
}

function userOf(contents: Contents, credential: StoredValue): string | null {
  const ref = currentRef(credential);
  try {
    const content = ref === null ? null : contents.read(ref);
    const login = content === null ? null : readRegistryLogin(content.toString("utf8"));
    content?.fill(0);
    return login?.user ?? null;
  } catch (error) {
    if (error instanceof KeyringError) return null;
    throw error;
  }
}
