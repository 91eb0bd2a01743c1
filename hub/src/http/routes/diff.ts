// Two revisions of an app side by side. A read of history: it looks at no node.
import type { AppName } from "@skerry/shared/model/ids.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { findApp } from "../lookup.ts";
import type { RevisionDiff } from "../schemas/diff.ts";
import { serviceChanges } from "../views/apps.ts";
import { specWords } from "../views/spec-words.ts";

export function diffHandlers(deps: HttpDeps): HandlersOf<"diffRevisions"> {
  return {
    diffRevisions: ({ params, query }) => {
      const app = findApp(deps.loop.world, params.app);
      return diff(deps, app.name, query.from, query.to ?? app.revision);
    },
  };
}

function diff(deps: HttpDeps, app: AppName, from: number, to: number): RevisionDiff {
  const [was, is] = [side(deps, app, from, "from"), side(deps, app, to, "to")];
  const services = serviceChanges(was.spec.services, is.spec.services).map(({ service, change }) => {
    const [before, after] = [was, is].map(({ spec }) => spec.services.find(({ name }) => name === service));
    const what = before === undefined || after === undefined ? [] : specWords(before, after);
    // The hash covers the networks and volumes that a service uses; these stand beside it in the file.
    const other = change === "recreated" && what.length === 0 ? ["changes a network or volume that it uses"] : [];
    return { service, change, what: [...what, ...other] };
  });
  return { app, from: { revision: from, source: was.source }, to: { revision: to, source: is.source }, services };
}

function side(deps: HttpDeps, app: AppName, revision: number, path: "from" | "to") {
  const found = deps.store.revision(app, revision);
  if (found !== null) return found;
  throw new HttpError("revision-not-found", `App ${app} has no revision ${revision}.`, {
    path,
    hint: `GET /v1/apps/${app}/revisions lists them.`,
  });
}
