// Where commands of tests come from, when it does not matter.
import type { Origin } from "../../../hub/src/control-loop.ts";

export const ORIGIN: Origin = { credential: null, address: null, agent: null, what: null };
