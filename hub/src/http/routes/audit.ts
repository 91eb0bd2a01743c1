// The audit log, from the store's history.
import type { HttpDeps } from "../deps.ts";
import type { HandlersOf } from "../handler.ts";
import { nodeNamed } from "../lookup.ts";

export function auditHandlers(deps: HttpDeps): HandlersOf<"listAudit"> {
  return {
    listAudit: ({ query: { actor, target, sinceMs, outcome, after, before, limit } }) => {
      const page = deps.store.audit({
        actor: actor ?? null,
        target: target ?? null,
        targetId: target === undefined ? null : nodeId(deps, target),
        sinceMs: sinceMs === undefined ? null : deps.clock.wallMs() - sinceMs,
        outcome: outcome ?? null,
        from: after === undefined ? { kind: "before", number: before ?? null } : { kind: "after", number: after },
        limit,
      });
      return { ...page, items: [...page.items] };
    },
  };
}

/** A node is found under the names it had before, too; one that is gone by the name it had then, or by its id. */
function nodeId(deps: HttpDeps, target: string): string | null {
  const [, name] = /^node\/(.+)$/.exec(target) ?? [];
  return name === undefined ? null : (nodeNamed(deps.loop.world, name)?.id ?? name);
}
