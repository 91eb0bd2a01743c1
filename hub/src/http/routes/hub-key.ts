// The hub's key: which it is, making the next one, and changing over to it. Two steps, so that nodes hear of the next key before they meet it.
import type { FastifyRequest } from "fastify";
import { originOf } from "../audit.ts";
import { actorOf } from "../auth.ts";
import type { HttpDeps, OwnHubKey } from "../deps.ts";
import { HttpError } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { health } from "../health.ts";
import type { HubKeyView } from "../schemas/hub-key.ts";
import { identityOf } from "../write.ts";

/** Names in a refusal; the others are counted. */
const MAX_NAMED = 10;

export function hubKeyHandlers(deps: HttpDeps): HandlersOf<"getHubKey" | "prepareHubKey" | "switchHubKey"> {
  return {
    getHubKey: () => viewOf(deps),
    prepareHubKey: ({ request }) => {
      const own = ownKey(deps);
      const before = viewOf(deps).next;
      // Asked for twice, it is the same one.
      if (before === null) refuseIfUnwell(deps);
      own.prepareNext((pin) => audit(deps, request, null, pin));
      request.isAudited = true;
      own.tell();
      return viewOf(deps);
    },
    switchHubKey: async ({ body, request }) => {
      const own = ownKey(deps);
      const { pin, next, unaware } = viewOf(deps);
      if (pin !== body.to && next !== body.to) throw noSuchNext(next);
      if (pin !== body.to) {
        if (unaware.length > 0 && !body.force) throw unawareRefusal(unaware);
        refuseIfUnwell(deps);
        audit(deps, request, pin, body.to);
        await own.switchToNext();
        own.tell();
      }
      request.isAudited = true;
      return viewOf(deps);
    },
  };
}

function viewOf({ hubKey, pins, loop: { world } }: HttpDeps): HubKeyView {
  const [pin = null, next = null] = pins();
  const unaware = next === null ? [] : [...world.nodes.values()].filter(({ id }) => !hubKey.isKnownTo(id, next));
  return {
    ...{ kind: hubKey.kind, pin, next, nodes: world.nodes.size },
    unaware: unaware.map(({ name }) => name).sort(),
  };
}

function ownKey({ hubKey }: HttpDeps): OwnHubKey {
  if (hubKey.own !== null) return hubKey.own;
  throw new HttpError("change-refused", "The key that nodes meet is not one that this hub has made.", {
    hint: "Start the hub with the pins of the key and of its next one: --tls-cert with --next-pin, or --behind-proxy PIN,NEXT.",
  });
}

const noSuchNext = (next: string | null): HttpError =>
  new HttpError("change-refused", `The hub's next key is ${next === null ? "not made yet" : "another one"}.`, {
    path: "to",
    hint: next === null ? "Make it first: skerry hub-key next." : "Look at it again: skerry hub-key show.",
  });

function unawareRefusal(unaware: readonly string[]): HttpError {
  const more = unaware.length > MAX_NAMED ? ` and ${unaware.length - MAX_NAMED} more` : "";
  return new HttpError(
    "change-refused",
    `These nodes have not said since the hub's start that they know the next key: ${unaware.slice(0, MAX_NAMED).join(", ")}${more}. Nothing was changed.`,
    {
      hint: "Wait until they have connected, or use force: each of them then needs a new join token, given on the machine.",
    },
  );
}

function refuseIfUnwell(deps: HttpDeps): void {
  const { status, reason } = health(deps);
  if (status === "ok") return;
  throw new HttpError(status === "full" ? "storage-full" : status, reason);
}

/** Before it is done: what cannot be written down is not done. */
function audit(deps: HttpDeps, request: FastifyRequest, before: string | null, after: string): void {
  const who = { actor: actorOf(identityOf(request)), ...originOf(deps, request) };
  const what = { target: "hub-key", targetId: null, before, after, outcome: "done", code: null, count: 1 } as const;
  if (deps.loop.audit({ ...who, ...what })) return;
  refuseIfUnwell(deps);
  throw new HttpError("stopping", "The hub is shutting down. Nothing was changed.");
}
