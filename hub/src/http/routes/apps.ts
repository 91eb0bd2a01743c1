// Apps: a Compose file comes in as text, is compiled at this door, and becomes a command; or a preview of what it would do.

import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { AppName } from "@skerry/shared/model/ids.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import { compileCompose } from "../../compose/compile.ts";
import type { Problem } from "../../compose/problem.ts";
import { placedOf, sorted } from "../../core/lookup.ts";
import { auditedViolations } from "../../core/policy/bound.ts";
import type { World } from "../../core/world.ts";
import type { Sight } from "../access.ts";
import type { CheckedOf } from "../api.ts";
import { rightsOfCaller, seenBy, sightOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { findApp } from "../lookup.ts";
import { pageOfKeys } from "../paging.ts";
import type { Applied, DryRun, RemovedApp, RevisionPage, RevisionView } from "../schemas/apps.ts";
import { seenWorld } from "../seen.ts";
import { type AppliedValues, appliedValues } from "../value-source.ts";
import { appSummary, appView, serviceChanges } from "../views/apps.ts";
import { plannedBatches, plannedSteps } from "../views/dry-run.ts";
import { nodeRef } from "../views/node-ref.ts";
import { refusalError, write } from "../write.ts";
import { contentsOf, unlocked } from "./values.ts";

type AppRoutes = "applyApp" | "listApps" | "getApp" | "removeApp" | "listRevisions" | "getRevision";

export function appHandlers(deps: HttpDeps): HandlersOf<AppRoutes> {
  const { clock } = deps;
  return {
    applyApp: ({ params, body, request }) => {
      const compiled = unlocked(() => compiledApp(deps, params.app, body, request));
      return body.dryRun ? dryRun(deps, compiled, body, sightOfCaller(request)) : apply(deps, compiled, body, request);
    },
    listApps: ({ query, request }) => {
      const now = clock.monotonicMs();
      const world = seenBy(deps, request);
      const page = pageOfKeys(sorted(world.apps.keys()), query.after, query.limit, (name) =>
        appSummary(world, findApp(world, name), now),
      );
      return { ...page, seq: world.seq };
    },
    getApp: ({ params, request }) => {
      const world = seenBy(deps, request);
      return appView(world, findApp(world, params.app), clock.monotonicMs());
    },
    removeApp: ({ params, query, request }) =>
      write(deps, request, () => ({
        command: { kind: "remove-app", app: params.app, ifRevision: query.ifRevision ?? null },
        answer: constant(removal(deps, params.app)),
      })),
    listRevisions: ({ params, query }) => listRevisions(deps, params.app, query),
    getRevision: ({ params }) => getRevision(deps, params.app, params.revision),
  };
}

/** What was seen before the change is the answer after it. */
const constant =
  <T>(value: T) =>
  (): T =>
    value;

interface Compiled {
  readonly spec: AppSpec;
  readonly values: AppliedValues;
  readonly warnings: Problem[];
}

function compiledApp(
  deps: HttpDeps,
  app: AppName,
  body: CheckedOf<"applyApp">["body"],
  request: FastifyRequest,
): Compiled {
  const { compose, files, variables, profiles } = body;
  const isUnbound = rightsOfCaller(request).holdsEverywhere("app:deploy");
  const values = appliedValues(contentsOf(deps), deps.store.values(), app, body.values, isUnbound);
  const compiled = compileCompose({ name: app, text: compose, files, variables, profiles, values: values.source });
  if (compiled.ok) {
    const { spec, warnings } = compiled.value;
    return { spec: isUnbound ? { ...spec, unbound: true } : spec, values, warnings: [...warnings] };
  }
  const [first] = compiled.error;
  const others = compiled.error.length - 1;
  const more = others > 0 ? ` (and ${others} more ${others === 1 ? "problem" : "problems"})` : "";
  const place = first === undefined || first.line === null ? "" : `line ${first.line}: `;
  throw new HttpError("invalid-compose", `The Compose file is not valid: ${place}${first?.message ?? ""}${more}`, {
    path: "compose",
    problems: compiled.error,
    ...(first === undefined || first.hint === "" ? {} : { hint: first.hint }),
  });
}

function apply(
  deps: HttpDeps,
  { spec, warnings, values }: Compiled,
  body: CheckedOf<"applyApp">["body"],
  request: FastifyRequest,
): Applied {
  const own = unlocked(values.own);
  return write(deps, request, () => {
    const { world } = deps.loop;
    const services = serviceChanges(world.apps.get(spec.name)?.spec.services ?? [], spec.services);
    const { seq } = world;
    return {
      command: { ...applyCommand(spec, body), values: own },
      answer: (outcome) => {
        assert(outcome.kind === "app-applied", "apply-app made something else");
        const { app, revision, unchanged } = outcome;
        const told = [...warnings, ...policyWarnings(world, spec)];
        return { dryRun: false, app, revision, changed: !unchanged, services, warnings: told, seq };
      },
    };
  });
}

/** What a policy in audit mode lets through. */
const policyWarnings = (world: World, spec: AppSpec): readonly Problem[] =>
  auditedViolations(world, spec.name, spec).map(({ service, violation: { field, message, hint } }) => ({
    code: "policy-audited",
    message: `${message}; a policy in audit mode lets it through for now`,
    hint,
    path: `services.${service}.${field}`,
    line: null,
    column: null,
  }));

const applyCommand = (spec: AppSpec, { compose, ifRevision, retry, force }: CheckedOf<"applyApp">["body"]) =>
  ({ kind: "apply-app", spec, source: compose, ifRevision, retry, force }) as const;

/** Told as far as the caller may see: another app that would lose its room is not named to who may not know of it. */
function dryRun(
  deps: HttpDeps,
  { spec, warnings }: Compiled,
  body: CheckedOf<"applyApp">["body"],
  sight: Sight,
): DryRun {
  const command = applyCommand(spec, body);
  const preview = deps.loop.preview(command, { actor: "admin", freshToken: null });
  if (!preview.ok) throw refusalError(command, preview.error);
  const { outcome } = preview.value;
  assert(outcome.kind === "app-applied", "apply-app would make something else");
  const [world, after] = [seenWorld(deps.loop.world, sight), seenWorld(preview.value.after, sight)];
  return {
    dryRun: true,
    app: outcome.app,
    revision: outcome.revision,
    changed: !outcome.unchanged,
    services: serviceChanges(world.apps.get(spec.name)?.spec.services ?? [], spec.services),
    warnings: [...warnings, ...policyWarnings(deps.loop.world, spec)],
    ...plannedSteps(world, after, spec.name),
    rollout: plannedBatches(world, after, spec.name, deps.clock.monotonicMs()),
    seq: world.seq,
  };
}

function removal(deps: HttpDeps, name: AppName): RemovedApp {
  const { world } = deps.loop;
  const app = findApp(world, name);
  const ids = placedOf(world, name);
  const nodes = new Set(ids.flatMap((id) => world.placements.get(id)?.node ?? []));
  return {
    app: name,
    revision: app.revision,
    workloads: ids.length,
    waitingFor: sorted(nodes).flatMap((id) => {
      const node = world.nodes.get(id);
      return node === undefined || world.reachability.get(id)?.kind === "ready" ? [] : [nodeRef(node)];
    }),
    volumesKept: app.spec.volumes.filter(({ external }) => !external).map(({ engineName }) => engineName),
    seq: world.seq,
  };
}

/** Newest first; the cursor is a revision's number. */
function listRevisions(deps: HttpDeps, name: AppName, query: CheckedOf<"listRevisions">["query"]): RevisionPage {
  const { world } = deps.loop;
  const app = findApp(world, name);
  const before = query.after === undefined ? Number.POSITIVE_INFINITY : Number(query.after);
  const older = [...deps.store.revisions(name)]
    .sort((a, b) => b.revision - a.revision)
    .filter(({ revision }) => revision < before);
  const items = older.slice(0, query.limit).map((item) => ({ ...item, current: item.revision === app.revision }));
  return {
    items,
    next: older.length > query.limit ? String(items.at(-1)?.revision) : null,
    seq: world.seq,
  };
}

function getRevision(deps: HttpDeps, name: AppName, revision: number): RevisionView {
  const app = findApp(deps.loop.world, name);
  const found = deps.store.revision(name, revision);
  const listed = deps.store.revisions(name).find((item) => item.revision === revision);
  if (found === null || listed === undefined) {
    throw new HttpError("revision-not-found", `App ${name} has no revision ${revision}.`, {
      path: "revision",
      hint: `Its newest revision is ${app.revision}; GET /v1/apps/${name}/revisions lists them.`,
    });
  }
  return { app: name, ...listed, current: revision === app.revision, source: found.source };
}
