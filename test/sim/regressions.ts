// Seeds that once failed, and why. They stay: those of hub and agent run with every `npm run check`, all with `npm test`. A change to the simulator may turn a seed into another
// story; the bug's own unit test stands beside the code that was mended.
export interface Regression {
  readonly seed: number;
  /** Whose bug it was: of hub or agent, or of the simulator's own. */
  readonly of: "hub" | "agent" | "simulator";
  readonly why: string;
}

export const REGRESSIONS: readonly Regression[] = [
  { seed: 12, of: "simulator", why: "timers of fractions of a millisecond made the simulated clock stand still" },
  {
    seed: 21,
    of: "agent",
    why: "a power cut between a lost ledger and its first event lost the mark that events are missing",
  },
  { seed: 48, of: "hub", why: "the hub showed as running what a node with a silent engine had last seen" },
  { seed: 125, of: "simulator", why: "events on their way were taken for events that never arrive" },
  { seed: 224, of: "simulator", why: "a workload that follows a replaced dependency was taken for a needless restart" },
  { seed: 260, of: "agent", why: "an image that was deleted without an event was never pulled again" },
  { seed: 295, of: "hub", why: "a metered node was called unreachable at its first slow heartbeat" },
  { seed: 330, of: "simulator", why: "a container that is fenced no more still shows its token" },
  { seed: 449, of: "agent", why: "after a full disk, events were not sent any more on the same connection" },
  { seed: 460, of: "simulator", why: "a renamed container and a lost ledger at once: it is left alone" },
  { seed: 596, of: "hub", why: "a refusal stood for ever when the word that it was over was lost with the connection" },
  {
    seed: 94,
    of: "hub",
    why: "a global copy whose node does not match the new revision was removed and started again for ever",
  },
  {
    seed: 137,
    of: "hub",
    why: "a fenced copy that had to leave for a new revision came back at the older one for ever",
  },
  {
    seed: 110,
    of: "agent",
    why: "a spec that had passed was judged anew after a lost ledger, and an end in between took the node back to an older one",
  },
  {
    seed: 288,
    of: "agent",
    why: "an agent without a ledger, whose engine was down, was taken to say that nothing was left of what was to go",
  },
  {
    seed: 290,
    of: "agent",
    why: "a container that never started was taken for started, for it had outlived its startup probe while no agent asked",
  },
  {
    seed: 248,
    of: "simulator",
    why: "a copy that stays behind, for its new revision fits nowhere, was expected to be shown as good",
  },
];
