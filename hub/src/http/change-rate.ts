// How fast one API token or user may change things. Each change is an entry of the audit log, which keeps so many: without a bound who may pause and
// unpause one app could push out all that he wants forgotten within minutes. The admin token and join tokens are not slowed down.
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import { Pace } from "./pace.ts";

/** A pipeline that deploys hundreds of apps, or a script that restarts hundreds of slots one by one, gets through at full speed. */
export const MAX_CHANGES_AT_ONCE = 1_000;
/** And then so many, day and night: with them one token needs six days to fill the 100,000 entries that the audit log keeps. */
export const CHANGES_PER_MINUTE = 10;
/** As many as there may be API tokens and users, twice. */
const MAX_ACCOUNTS = 4_000;

/** By account: "user/anna", "api-token/1a2b3c4d5e6f". */
export const createChangeRate = (clock: Clock): Pace =>
  new Pace(clock, { burst: MAX_CHANGES_AT_ONCE, eachMs: 60_000 / CHANGES_PER_MINUTE }, MAX_ACCOUNTS);
