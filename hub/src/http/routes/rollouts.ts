// Rollouts: how the newest revision gets on, what became of older ones, and how operators steer.
import type { AppName } from "@skerry/shared/model/ids.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import type { RolloutCommand } from "../../core/command.ts";
import type { World } from "../../core/world.ts";
import { seenBy, sightOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { findApp } from "../lookup.ts";
import type { RolloutChanged, RolloutView } from "../schemas/rollouts.ts";
import { seenWordsOf } from "../seen-words.ts";
import { rolloutSummary, rolloutView } from "../views/rollouts.ts";
import { write } from "../write.ts";

type RolloutRoutes = "getRollout" | "listRollouts" | "pauseRollout" | "resumeRollout" | "undoRollout";

/** Of an app's rollouts so many are told; older ones are history that the events hold. */
const MAX_LISTED = 100;

export function rolloutHandlers(deps: HttpDeps): HandlersOf<RolloutRoutes> {
  return {
    getRollout: ({ params, request }) => current(deps, seenBy(deps, request), params.app),
    listRollouts: ({ params, request }) => {
      const { world } = deps.loop;
      const { name } = findApp(world, params.app);
      const words = seenWordsOf(world, sightOfCaller(request))(null);
      return { items: words(deps.store.rollouts(name, MAX_LISTED).map(rolloutSummary)), seq: world.seq };
    },
    pauseRollout: ({ params, body, request }) =>
      steer(deps, request, { kind: "pause-rollout", app: params.app, reason: body.reason }),
    resumeRollout: ({ params, request }) => steer(deps, request, { kind: "resume-rollout", app: params.app }),
    undoRollout: ({ params, body, request }) =>
      steer(deps, request, { kind: "undo-rollout", app: params.app, to: body.to, reason: body.reason }),
  };
}

function current({ clock }: HttpDeps, world: World, name: AppName): RolloutView {
  const app = findApp(world, name);
  const view = rolloutView(world, app, clock.monotonicMs());
  if (view !== null) return view;
  throw new HttpError(
    "revision-not-found",
    `Revision ${app.revision} of ${name} stood before rollouts were recorded.`,
    { path: "app", hint: `The next apply begins one; until then: skerry app show ${name}.` },
  );
}

function steer(deps: HttpDeps, request: FastifyRequest, command: RolloutCommand): RolloutChanged {
  return write(deps, request, () => {
    findApp(deps.loop.world, command.app);
    const { seq } = deps.loop.world;
    return {
      command,
      answer: (outcome) => {
        assert(outcome.kind === "rollout-changed", `${command.kind} made something else`);
        const { app, revision, sameAs, changed } = outcome;
        return { app, revision, sameAs, changed, seq };
      },
    };
  });
}
