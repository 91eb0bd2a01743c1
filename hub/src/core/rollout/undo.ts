// Undo: to which older revision an app goes back. Pure; what is asked of the history is stored, and not in the World.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import { sameJson } from "@skerry/shared/model/canonical.ts";
import type { Revision } from "@skerry/shared/model/ids.ts";
import type { Rollout } from "../rollout-state.ts";
import type { App, AppRevision } from "../world.ts";

/** Older revisions that an undo without a number looks at: what was good longer ago is asked for by its number. */
const MAX_LOOKS = 100;

/** Of one app. Each call is a query: an undo to a number makes one. */
export interface History {
  /** Ascending. */
  revisions(): readonly Revision[];
  /** The newest so many. */
  rollouts(most: number): readonly Rollout[];
  /** null: there is no such revision. */
  spec(revision: Revision): AppSpec | null;
}

/** `asked` null: the last good one; when that is the present one, or nothing was good yet, what came before it. null: there is none. */
export function undoTarget(app: App, asked: Revision | null, history: History): AppRevision | null {
  const isPresent = app.lastGood === null || app.lastGood === app.revision;
  const to = asked ?? (isPresent ? null : app.lastGood);
  return to === null ? before(app, history) : at(history, to);
}

/** The newest older revision that was good and asks for something else: a rollback has the content of the one that it went back to. */
function before({ revision: present, spec, lastGood }: App, history: History): AppRevision | null {
  const ends = new Map(history.rollouts(MAX_LOOKS).map(({ revision, state }) => [revision, state.kind]));
  const older = history.revisions().filter((revision) => revision < present);
  for (const revision of older.slice(-MAX_LOOKS).reverse()) {
    // One without a rollout was applied by a hub that recorded none: as the migration does, it is taken for good, or no upgraded hub could undo.
    const wasGood = (ends.get(revision) ?? "done") === "done";
    // While nothing was good yet there is nothing better to ask for than something else.
    if (!wasGood && lastGood !== null) continue;
    const found = at(history, revision);
    if (found !== null && !sameJson(found.spec, spec)) return found;
  }
  return null;
}

function at(history: History, revision: Revision): AppRevision | null {
  const spec = history.spec(revision);
  return spec === null ? null : { revision, spec };
}
