// Every command with its words and help. Each command's code is loaded when it is called: `skerry ps` does not pay for the hub.
// It must stay light: commander, and types of everything else.
import { SKERRY_VERSION } from "@skerry/shared/runtime/version.ts";
import { Command, InvalidArgumentError, Option } from "commander";
import type { NameOptions, SetOptions } from "./commands/value.ts";
import type { WishKind, WishOptions } from "./commands/wish.ts";
import { addExamples } from "./examples.ts";
import { EXIT, type ExitCode } from "./failure.ts";
import type { HubOptions, Io } from "./io.ts";

/** A command's work; what it resolves to is the exit code. */
export type Finish = (work: Promise<ExitCode>) => void;

export function buildProgram(io: Io, finish: Finish): Command {
  const program = new Command("skerry")
    .description("Runs containers on far-out machines, and keeps them running when the hub cannot be reached.")
    .option("--hub <url>", "the hub to talk to (SKERRY_HUB; else the one logged in to)")
    .option("--context <name>", "one of several hubs logged in to (SKERRY_CONTEXT)")
    .configureHelp({
      showGlobalOptions: true,
      helpWidth: Math.min(io.columns ?? HELP_WIDTH, HELP_WIDTH),
      subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(argumentTerm)].join(" "),
    })
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text) })
    .showHelpAfterError("(skerry help COMMAND shows what a command takes)")
    .version(SKERRY_VERSION, "-V, --version", "show this program's version")
    .helpOption("-h, --help", "show this help")
    .exitOverride();
  // Known to everybody, and `skerry version` is in the list: it need not stand in the help of every command.
  program.options.find(({ long }) => long === "--version")?.hideHelp();
  program.commandsGroup("Start here:");
  addStarters(program, finish, io);
  program.commandsGroup("Apps:");
  addApps(program, finish, io);
  addRollouts(program, finish, io);
  addWishes(program, finish, io);
  program.commandsGroup("What is going on:");
  addLooking(program, finish, io);
  program.commandsGroup("Nodes:");
  addNodes(program, finish, io);
  program.commandsGroup("Who may do what:");
  addPeople(program, finish, io);
  program.commandsGroup("Secrets and configs:");
  addValues(program, finish, io);
  addRegistry(program, finish, io);
  program.commandsGroup("And:");
  addRest(program, finish, io);
  // Last, so that it stands in the last group.
  program.helpCommand("help [command]", "show help for a command");
  addExamples(program);
  return program;
}

/** Prose wider than this is hard to read, on any terminal. */
const HELP_WIDTH = 80;

function argumentTerm(argument: { name(): string; readonly required: boolean; readonly variadic: boolean }): string {
  const name = `${argument.name().toUpperCase()}${argument.variadic ? "..." : ""}`;
  return argument.required ? name : `[${name}]`;
}

type Loader<O> = () => Promise<{ run(io: Io, options: O): Promise<ExitCode> }>;

/** Commander hands arguments first, then options; commands take one object with both. */
function lazily<O>(command: Command, finish: Finish, io: Io, load: Loader<O>, names: readonly string[] = []): Command {
  return command.action((...given: unknown[]) => {
    const args = Object.fromEntries(names.map((name, at) => [name, given[at]]));
    // The shape follows from the declarations right beside each call.
    const options = { ...command.optsWithGlobals(), ...args } as O;
    finish(load().then(({ run }) => run(io, options)));
  });
}

function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

/** Commander's own words for a repeated option: a list. */
function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

const json = (): Option => new Option("--json", "print JSON with stable fields");
/** Of policies. */
const dryRun = (): Option => new Option("--dry-run", "tell what would be refused; change nothing");
const ifRevision = (): Option =>
  new Option("--if-revision <n>", "only if this is the policy's current revision (0: only if it is new)").argParser(
    whole,
  );

function addStarters(program: Command, finish: Finish, io: Io): void {
  const hub = program
    .command("hub")
    .summary("run the hub, which holds what should run where")
    .description(
      "Runs the hub, in the foreground, until it is stopped. At the first start it makes a key for TLS and an admin token, and writes their pin and that token to DATA/hub-pin and DATA/admin-token. What runs on the nodes runs on when the hub is stopped.",
    )
    .option("--data <dir>", "folder for the database and the admin token (SKERRY_DATA; /var/lib/skerry/hub)")
    .option("--listen <host:port>", "where to listen (SKERRY_LISTEN; 127.0.0.1:7443)")
    .option("--log-level <level>", "debug, info, warn or error (SKERRY_LOG_LEVEL; info)")
    .option("--new-admin-token", "throw the admin token away and make a new one")
    .option("--new-signing-key", "when DATA/signing-key is lost for good: a new one; every node must be joined anew")
    .option("--tls-cert <file>", "your own certificate, with its chain, as PEM (SKERRY_TLS_CERT)")
    .option("--tls-key <file>", "its private key, as PEM (SKERRY_TLS_KEY)")
    .option("--next-pin <pin>", "the pin of the key that is to follow, told to nodes beforehand (SKERRY_NEXT_PIN)")
    .option(
      "--behind-proxy <pin>",
      "a proxy ends TLS: the pin of its key, and after a comma of its next (SKERRY_BEHIND_PROXY)",
    )
    .option("--plain", "no TLS, and for this machine alone (SKERRY_PLAIN)")
    .option("--new-hub-key", "throw the hub's own key away: each node then needs a new join token");
  lazily(hub, finish, io, () => import("./commands/hub.ts"));
  // Its words are the agent's own; main.ts hands them over before they get here. This entry is for the help.
  const agent = program
    .command("agent")
    .summary("run the agent on a node; agent status asks it")
    .description(
      "Runs the agent on a node; `skerry agent status` says what it runs, why, and since when it has not heard from the hub.",
    )
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => undefined);
  agent
    .command("status")
    .summary("what this node runs, why, and since when the hub is silent")
    .description("Asks the agent on this machine.");
  const login = program
    .command("login <url>")
    .summary("remember a hub and the token for it")
    .description(
      "Checks the token with the hub and keeps both in your config folder (mode 0600), with the pin of the hub's key: the hub has it in DATA/hub-pin. Without --pin it is shown and asked about. The token is asked for; without a terminal it is read from standard input. With --user the password is, and the code of a second factor; a session is kept then. The hub's admin token is in its DATA/admin-token.",
    )
    .option("--token-file <file>", "read the token from a file")
    .option("--user <name>", "log in with this user's password instead")
    .option("--pin <pin>", "the hub must have this key (SKERRY_PIN)");
  lazily(login, finish, io, () => import("./commands/login.ts"), ["url"]);
  const logout = program
    .command("logout")
    .summary("end the session, and forget the hub")
    .description(
      "Ends the session of a login with --user, and forgets what was kept for that hub. An API token is only forgotten: skerry api-token rm removes it.",
    )
    .option("--everywhere", "end all sessions of this user");
  lazily(logout, finish, io, () => import("./commands/logout.ts"));
  const setup = program
    .command("setup <link>")
    .summary("make the first user, with the link the hub printed")
    .description(
      "Makes the first user, an admin, with the link that the hub printed at its start; or open the link in a browser. The password is asked for, or is the first line of standard input.",
    )
    .requiredOption("--user <name>", "the first user's name")
    .option("--pin <pin>", "the hub must have this key (SKERRY_PIN)");
  lazily(setup, finish, io, () => import("./commands/setup.ts"), ["link"]);
}

function addFileOptions(command: Command): Command {
  return command
    .option("--env-file <file>", "variables for the file; may be given several times (.env beside the file)", collect)
    .option("--profile <name>", "switch a profile on; may be given several times", collect);
}

function addApps(program: Command, finish: Finish, io: Io): void {
  const validate = addFileOptions(
    program
      .command("validate [file]")
      .summary("check a Compose file, without a hub")
      .description(
        "Says everything that is wrong with a Compose file, with line and column. Needs no hub. Without FILE it takes compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml; - is standard input.",
      )
      .option("-f, --file <file>", "the same, as `apply` takes it"),
  ).addOption(json());
  lazily(validate, finish, io, () => import("./commands/validate.ts"), ["path"]);
  const apply = addFileOptions(
    program
      .command("apply [name]")
      .summary("make a Compose file an app's desired state")
      .description(
        "Sends a Compose file to the hub, which places its services on nodes. NAME is the app; without it the file's own `name:` counts. Applying the same file again changes nothing.",
      )
      .option("-f, --file <file>", "the Compose file (compose.yaml and the like; - is standard input)"),
  )
    .option("--dry-run", "show what would change on each node, and why; change nothing")
    .option("--wait", "follow the rollout to its end: 1 if it failed, 3 if not done in time or an operator is needed")
    .option("--timeout <duration>", "how long --wait waits (5m)")
    .option("--if-revision <n>", "only if this is the app's current revision (0: only if it is new)", whole)
    .option("--retry", "try again what failed its rollout before")
    .option("--force", "windows and holds do not count for this revision; who said so is in the events")
    .addOption(json());
  lazily(apply, finish, io, () => import("./commands/apply.ts"), ["name"]);
  const apps = program
    .command("apps")
    .summary("list apps")
    .description("Lists the apps, and how each is.")
    .addOption(json());
  lazily(apps, finish, io, () => import("./commands/apps.ts"));
  const app = program
    .command("app")
    .summary("one app: show, diff, rm")
    .description("Looks at one app, compares its revisions, or removes it.");
  const show = app
    .command("show <name>")
    .summary("services, copies and their states")
    .description("Shows an app's services, where each copy is, how it is, and why.")
    .addOption(json());
  lazily(show, finish, io, () => import("./commands/app-show.ts"), ["name"]);
  const diff = app
    .command("diff")
    .argument("<app>", "the app's name")
    .argument("<from>", "a revision", whole)
    .argument("[to]", "another one; the current one when left out", whole)
    .summary("what differs between two revisions")
    .description("Says per service what differs between two revisions of APP, and shows both files line by line.")
    .addOption(json());
  lazily(diff, finish, io, () => import("./commands/app-diff.ts"), ["app", "from", "to"]);
  const remove = app
    .command("rm <name>")
    .summary("remove an app; its volumes stay")
    .description(
      "Removes an app's containers and networks from all nodes. Volumes are never removed: they are named, and stay. Asks for the app's name to be typed, unless --yes is given.",
    )
    .option("-y, --yes", "do not ask")
    .option("--if-revision <n>", "only if this is the app's current revision", whole)
    .addOption(json());
  lazily(remove, finish, io, () => import("./commands/app-rm.ts"), ["name"]);
}

function addLooking(program: Command, finish: Finish, io: Io): void {
  const ps = program
    .command("ps [app]")
    .summary("what runs where, and how it is")
    .description("Lists copies: where each is, how it is, and why it is not good. APP or APP/SERVICE narrows it down.")
    .option("--node <node>", "only what is on this node")
    .addOption(json());
  lazily(ps, finish, io, () => import("./commands/ps.ts"), ["app"]);
  const why = program
    .command("why <target>")
    .summary("why is it so, and what to do: app, service or node")
    .description(
      "Says how something is, why, and what to do next. TARGET is APP, APP/SERVICE, APP/SERVICE/NUMBER or a node's name (node/NAME when an app has the same name).",
    )
    .addOption(json());
  lazily(why, finish, io, () => import("./commands/why.ts"), ["target"]);
  const logs = program
    .command("logs <target>")
    .summary("what containers wrote; -f goes on with what they write")
    .description(
      "Shows what the containers of APP, APP/SERVICE or APP/SERVICE/NUMBER (or /NODE) wrote, from all of their nodes. Logs of a node that is not heard are not here, and that is said; on the node itself: skerry agent logs.",
    )
    .option("-f, --follow", "go on with what they write, until Ctrl-C")
    .option("-n, --tail <lines>", "so many lines from the end of each, or all (all; with -f 100)")
    .option("--since <duration>", "not older than this: 10m, 24h")
    .option("-t, --timestamps", "show when, by the node's clock")
    .option("--raw", "let control characters through to the terminal")
    .addOption(json());
  lazily(logs, finish, io, () => import("./commands/logs.ts"), ["target"]);
  const events = program
    .command("events")
    .summary("what happened; -f goes on with what happens")
    .description("Shows the last events, oldest first.")
    .option("-f, --follow", "go on with what happens, until Ctrl-C")
    .option("--app <app>", "only of this app")
    .option("--node <node>", "only of this node")
    .option("-n, --limit <n>", "how many of the last ones (20)", whole)
    .addOption(json());
  lazily(events, finish, io, () => import("./commands/events.ts"));
  addAudit(program, finish, io);
}

function addAudit(program: Command, finish: Finish, io: Io): void {
  const audit = program
    .command("audit")
    .summary("who changed what, and who was refused: ls, verify")
    .description(
      "Every change through the hub, and every one that was refused, has an entry in its audit log. Each entry holds the hash of the one before: what was changed afterwards shows. Without a word more it is `skerry audit ls`.",
    );
  const list = audit
    .command("ls", { isDefault: true })
    .alias("list")
    .summary("the last entries; --json exports all")
    .description(
      "Shows the last entries, oldest first. With --json all that there are, one JSON object per line: keep them elsewhere, and nobody at the hub can change what they say.",
    )
    .option("--actor <actor>", "only by this one: admin, 'join token 36af96d99330'")
    .option("--app <app>", "only about this app")
    .option("--node <node>", "only about this node")
    .option("--since <duration>", "not older than this: 10m, 24h")
    .option("--refused", "only what was refused")
    .option("-n, --limit <n>", "how many of the last ones (20; with --json all)", whole)
    .addOption(new Option("--json", "print JSON lines with stable fields"));
  lazily(list, finish, io, () => import("./commands/audit.ts"));
  const verify = audit
    .command("verify")
    .summary("does the chain of entries hold?")
    .description(
      "Walks the hub's audit log from its first entry to its last, and says which is the first that does not fit; exit code 1 then. With --file it walks entries that were exported before, and needs no hub; with --and-hub too it goes on from there on the hub, which shows also a log that was made anew as a whole.",
    )
    .option("--file <file>", "JSON lines from: skerry audit --json")
    .option("--and-hub", "after the file, go on with the hub's entries");
  lazily(verify, finish, io, () => import("./commands/audit-verify.ts"));
}

function addNodes(program: Command, finish: Finish, io: Io): void {
  const nodes = program
    .command("nodes")
    .summary("list nodes")
    .description("Lists the nodes, and whether each is heard from.")
    .addOption(json());
  lazily(nodes, finish, io, () => import("./commands/nodes.ts"));
  const node = program
    .command("node")
    .summary("one node: show, label, approve, unfreeze, roll-key, revoke, rm")
    .description("Looks at one node, labels it, says whether it is trusted, or forgets it.");
  const show = node
    .command("show <node>")
    .summary("facts, figures, conditions, workloads")
    .description("Shows one node, by name or id.")
    .addOption(json());
  lazily(show, finish, io, () => import("./commands/node-show.ts"), ["node"]);
  const label = node
    .command("label <node> <changes...>")
    .summary("set KEY=VALUE, or take KEY- away")
    .description("Sets and takes away labels, by which services are placed.");
  lazily(label, finish, io, () => import("./commands/node-label.ts"), ["node", "changes"]);
  addStanding(node, finish, io);
  const remove = node
    .command("rm <node>")
    .summary("forget a node; what runs on it is not touched")
    .description(
      "Makes the hub forget a node that is yours. What runs on it is not touched, and runs on; the machine may join again. If the machine is stolen or sold: skerry node revoke. Says first what is placed elsewhere because of it, and which volumes stay on the machine. Asks for the node's name to be typed, unless --yes is given.",
    )
    .option("-y, --yes", "do not ask")
    .option("--dry-run", "say what would become of its workloads; change nothing")
    .addOption(json());
  lazily(remove, finish, io, () => import("./commands/node-rm.ts"), ["node"]);
  for (const [name, summary] of [
    ["cordon", "place nothing new on nodes; what runs there stays"],
    ["uncordon", "let nodes take new workloads again; ends a drain"],
  ] as const) {
    const command = program
      .command(`${name} <nodes...>`)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
      .option("--reason <text>", "why; shown with the node");
    lazily(
      command,
      finish,
      io,
      async () => {
        const { change } = await import("./commands/cordon.ts");
        return {
          run: (given, options: { nodes: string[] }) =>
            change(given, options, name === "cordon" ? "cordoned" : "active"),
        };
      },
      ["nodes"],
    );
  }
  const drain = program
    .command("drain <node>")
    .summary("empty a node: what may move goes elsewhere")
    .description(
      "Places nothing new on a node, and moves what may move to others: a few copies of a service at a time (its parallelism), the next when those are good, and within its budget. What is global, has a volume or fits nowhere else stays, and is told with the reason. It lasts until `skerry uncordon`.",
    )
    .option("--reason <text>", "why; shown with the node")
    .option("--deadline <duration>", "stop what is left after this time (none); uncordon starts it again")
    .option("--wait", "show progress until nothing is left that may move; exit code 3 if not in time")
    .option("--timeout <duration>", "how long --wait waits (10m)")
    .addOption(json());
  lazily(drain, finish, io, () => import("./commands/drain.ts"), ["node"]);
}

function addStanding(node: Command, finish: Finish, io: Io): void {
  const turns = [
    [
      "approve",
      "approveNode",
      "let in a node that waits for it",
      "Lets in a node that joined with a token made with --approve. Before that it is shown, and given nothing.",
    ],
    [
      "unfreeze",
      "unfreezeNode",
      "end a freeze, once one machine alone has its key",
      "A node is frozen when two machines used its key, as after its disk was copied or put back from a backup: neither is let in, and both keep what they run. Once the other machine is off, this ends it: the next one that connects is the node. If the other is not in your hands, revoke the node instead.",
    ],
  ] as const;
  for (const [name, what, summary, description] of turns) {
    const command = node.command(`${name} <node>`).summary(summary).description(description);
    const load = async () => {
      const { turn } = await import("./commands/node-standing.ts");
      return { run: (given: Io, options: { node: string }) => turn(given, options, what) };
    };
    lazily(command, finish, io, load, ["node"]);
  }
  const roll = node
    .command("roll-key [nodes...]")
    .summary("have nodes make themselves another key")
    .description(
      "For machines that are yours, when a copy of a key may be in other hands, or by habit. A node makes itself another key at once, or when it is next connected, however long that takes; from its first connection with it the former key opens nothing. What runs is not touched, and secrets open throughout. A machine that is not in your hands: skerry node revoke.",
    )
    .option("--label <key=value>", "all nodes with this label; again for more, which must all fit", collect)
    .option("--all", "all nodes");
  lazily(roll, finish, io, () => import("./commands/node-roll-key.ts"), ["nodes"]);
  const revoke = node
    .command("revoke <node>")
    .summary("forget a node and refuse its key for good")
    .description(
      "For a machine that is stolen, sold or not trusted: its connections are closed at once, its key opens nothing any more and never joins again. Its workloads are placed elsewhere as those of a lost node. What runs on it is not touched, for nobody can reach it. Names the secrets that it had: change them. To forget a machine that is yours: skerry node rm. Asks for the node's name to be typed, unless --yes is given.",
    )
    .option("-y, --yes", "do not ask")
    .option("--dry-run", "say what would become of its workloads; change nothing")
    .addOption(json());
  lazily(revoke, finish, io, () => import("./commands/node-revoke.ts"), ["node"]);
}

function addRollouts(program: Command, finish: Finish, io: Io): void {
  const rollout = program
    .command("rollout")
    .summary("how a new revision gets on: status, history, pause, resume, undo")
    .description(
      "A new revision reaches an app's copies batch by batch, each judged by its node. Here it is looked at and steered.",
    );
  const status = rollout
    .command("status <app>")
    .summary("batches, copies, and what each waits for; -w follows")
    .description(
      "Shows how far APP's newest revision has got, and what each copy waits for. With -w it goes on until the rollout has ended or needs an operator; exit code 0 done, 1 failed, 3 not done.",
    )
    .option("-w, --watch", "go on until it has ended or needs an operator")
    .option("--timeout <duration>", "how long -w watches (for ever)")
    .addOption(json());
  lazily(status, finish, io, () => import("./commands/rollout-status.ts"), ["app"]);
  const history = rollout
    .command("history <app>")
    .summary("what became of each revision")
    .description("Lists the rollouts of APP, the newest first, and how each ended.")
    .addOption(json());
  lazily(history, finish, io, () => import("./commands/rollout-history.ts"), ["app"]);
  const pause = rollout
    .command("pause <app>")
    .summary("let no further copy through for now")
    .description(
      "No further copy of APP is changed until `skerry rollout resume`. What is under way is judged to its end.",
    )
    .option("--reason <text>", "why; shown with it")
    .addOption(json());
  lazily(pause, finish, io, async () => ({ run: (await import("./commands/rollout-change.ts")).pause }), ["app"]);
  const resume = rollout
    .command("resume <app>")
    .summary("go on after a pause, or promote the canaries")
    .description("Goes on with APP's rollout: after a pause, in spite of the failures so far, or past its canaries.")
    .addOption(json());
  lazily(resume, finish, io, async () => ({ run: (await import("./commands/rollout-change.ts")).resume }), ["app"]);
  const undo = rollout
    .command("undo <app>")
    .summary("go back to an older revision")
    .description(
      "Makes a new revision with the content of the last good one, or of the one named, and rolls that out by the file's rollback_config.",
    )
    .option("--to <revision>", "this one", whole)
    .option("--reason <text>", "why; kept with the rollout")
    .addOption(json());
  lazily(undo, finish, io, async () => ({ run: (await import("./commands/rollout-change.ts")).undo }), ["app"]);
}

const WISHES = [
  [
    "stop",
    "stop an app, a service or one copy, and keep it stopped",
    "Stops the containers of TARGET and keeps them stopped: through reboots, and on nodes that are away as soon as they are back. `skerry start` ends it.",
  ],
  ["start", "start what was stopped", "Starts TARGET and everything of it that was stopped."],
  [
    "restart",
    "restart each copy once, and forget its back-off",
    "Restarts each container of TARGET once. One that waits after failures, or was given up, is tried again at once.",
  ],
] as const;

function addWishes(program: Command, finish: Finish, io: Io): void {
  const load = (kind: WishKind) => async () => {
    const { wish } = await import("./commands/wish.ts");
    return { run: (given: Io, options: WishOptions) => wish(given, options, kind) };
  };
  for (const [name, summary, description] of WISHES) {
    const command = program
      .command(`${name} <target>`)
      .summary(summary)
      .description(
        `${description} TARGET is APP, APP/SERVICE or APP/SERVICE/NUMBER; of a service with one copy per node, the node's name for the number.`,
      )
      .option("--reason <text>", "why; shown with it")
      .addOption(json());
    lazily(command, finish, io, load(name), ["target"]);
  }
  const scale = program
    .command("scale")
    .argument("<service>", "APP/SERVICE")
    .argument("<copies>", "how many", whole)
    .summary("run another number of copies of a service")
    .description(
      "Gives APP/SERVICE another number of copies, as a new revision of the app. Nothing that runs is restarted. The file is not changed: applying it again sets its own number.",
    )
    .option("--if-revision <n>", "only if this is the app's current revision", whole)
    .addOption(json());
  lazily(scale, finish, io, () => import("./commands/scale.ts"), ["target", "copies"]);
  const pause = program
    .command("pause <app>")
    .summary("let the hub change nothing of an app for a while")
    .description(
      "Until `skerry unpause`, the hub places, changes and moves nothing of APP, whatever is applied or happens. What runs on the nodes runs on, and is healed there; stop, start and restart still work.",
    )
    .option("--reason <text>", "why; shown with the app")
    .addOption(json());
  lazily(pause, finish, io, load("pause"), ["target"]);
  const unpause = program
    .command("unpause <app>")
    .summary("end a pause: the app catches up")
    .description("Ends a pause. What was applied or happened meanwhile is caught up with.")
    .option("--reason <text>", "why; kept with the event")
    .addOption(json());
  lazily(unpause, finish, io, load("unpause"), ["target"]);
}

function addPolicies(program: Command, finish: Finish, io: Io): void {
  const policy = program
    .command("policy")
    .summary("policies: set, ls, show, rm, check")
    .description(
      "Policies say what containers may ask of machines. Where there is none the profile restricted holds: no devices, no host paths, no further capabilities. What a policy refuses is not applied; what runs is never stopped by one.",
    );
  const set = policy
    .command("set <file>")
    .summary("make a policy, or give it other content")
    .description(
      "Sets the policy in FILE, YAML or JSON (- reads standard input), and tells what of the apps that are there it refuses. Its fields: name, profile (restricted, baseline, privileged), mode (enforce, audit), apps, nodeLabels, grants (devices, hostPaths, capabilities, ...), rules (registries, requireDigest, ...).",
    )
    .addOption(dryRun())
    .addOption(ifRevision())
    .addOption(json());
  lazily(set, finish, io, () => import("./commands/policy-set.ts"), ["file"]);
  const list = policy
    .command("ls")
    .alias("list")
    .summary("list policies and whom they are about")
    .description("Lists the policies, whom they are about, and what they say.")
    .addOption(json());
  lazily(list, finish, io, () => import("./commands/policy-ls.ts"));
  const show = policy
    .command("show <name>")
    .summary("show one policy")
    .description("Shows a policy, with its revision for --if-revision.")
    .addOption(json());
  lazily(show, finish, io, () => import("./commands/policy-show.ts"), ["name"]);
  const remove = policy
    .command("rm <name>")
    .summary("remove a policy")
    .description("Removes a policy. What it allowed runs on, and is refused when it is to change.")
    .addOption(dryRun())
    .addOption(ifRevision());
  lazily(remove, finish, io, () => import("./commands/policy-rm.ts"), ["name"]);
  const check = policy
    .command("check")
    .summary("what the policies refuse of what is there")
    .description("Tells what of the apps that are there the policies refuse; exit code 1 when they do.")
    .addOption(json());
  lazily(check, finish, io, () => import("./commands/policy-check.ts"));
}

function addHubKey(program: Command, finish: Finish, io: Io): void {
  const key = program
    .command("hub-key")
    .summary("the key by which nodes know the hub: show, next, switch")
    .description(
      "Nodes take the hub for the one that they joined by the pin of its key. A new key is made and told to them first, and used when they know it.",
    );
  const show = key
    .command("show")
    .summary("the pins, and which nodes do not know the next one")
    .description("Shows the pin of the hub's key and of its next one, and which nodes do not know that yet.")
    .addOption(json());
  lazily(show, finish, io, () => import("./commands/hub-key-show.ts"));
  const next = key
    .command("next")
    .summary("make the next key and tell the nodes its pin")
    .description("Makes the hub's next key and tells its pin to the nodes. The present key stays in use.")
    .addOption(json());
  lazily(next, finish, io, () => import("./commands/hub-key-next.ts"));
  const change = key
    .command("switch")
    .summary("use the next key from now on")
    .description(
      "From now on the hub shows its next key. A node that was away while the next key was told then needs a new join token, given to its agent on the machine; it stays who it is, and what it runs runs on.",
    )
    .option("--yes", "also when nodes do not know it yet");
  lazily(change, finish, io, () => import("./commands/hub-key-switch.ts"));
}

function addPeople(program: Command, finish: Finish, io: Io): void {
  addUsers(program, finish, io);
  addApiTokens(program, finish, io);
  const role = program
    .command("role")
    .summary("roles: set, ls, rm")
    .description(
      "A role is a set of permissions. viewer, operator, deployer and admin are built in; each holds what the one before holds.",
    );
  const set = role
    .command("set <name> <permissions...>")
    .summary("make an own role, or give it other permissions")
    .description(
      "Makes an own role of PERMISSIONS, such as app:read, or gives it others. It counts at once for all who have it. You cannot give what you do not hold.",
    );
  lazily(set, finish, io, () => import("./commands/role-set.ts"), ["name", "permissions"]);
  const list = role
    .command("ls")
    .alias("list")
    .summary("list roles and what they may do")
    .description("Lists the roles, built-in and own, with their permissions.")
    .addOption(json());
  lazily(list, finish, io, () => import("./commands/role-ls.ts"));
  const remove = role
    .command("rm <name>")
    .summary("remove an own role that nobody has")
    .description("Removes an own role. One that a user or an API token has is refused.");
  lazily(remove, finish, io, () => import("./commands/role-rm.ts"), ["name"]);
  addPolicies(program, finish, io);
  addHubKey(program, finish, io);
  const auth = program
    .command("auth")
    .summary("what you may do: whoami, can-i")
    .description("Asks the hub who you are, and what you may do.");
  const whoami = auth
    .command("whoami")
    .summary("who the hub takes you for, and your roles")
    .description("Says who the hub takes you for, with which roles, and until when.")
    .addOption(json());
  lazily(whoami, finish, io, () => import("./commands/auth-whoami.ts"));
  const canI = auth
    .command("can-i <verb> <resource> [name]")
    .summary("may I? exit code 0 yes, 1 no; and why")
    .description(
      "Says whether you may, and why: exit code 0 yes, 1 no. NAME is an app or a node; without it, any of them.",
    )
    .addOption(json());
  lazily(canI, finish, io, () => import("./commands/auth-can-i.ts"), ["verb", "resource", "name"]);
}

function addBinding(command: Command): Command {
  return command
    .option("--app <app>", "only this app; may be given several times", collect)
    .option("--node-label <key=value>", "only nodes with it; may be given several times", collect);
}

function addUsers(program: Command, finish: Finish, io: Io): void {
  const user = program
    .command("user")
    .summary("people: add, ls, role, passwd, disable, enable, rm, totp")
    .description(
      "Users log in with name and password, each with a role: skerry login URL --user NAME. Programs come in with API tokens: skerry api-token.",
    );
  const add = addBinding(
    user
      .command("add <name>")
      .summary("add a user with a role")
      .description(
        "Adds a user. The password is asked for, or is the first line of standard input. With --app and --node-label the role reaches only these apps, and nodes with one of these labels. You cannot give what you do not hold.",
      )
      .requiredOption("--role <role>", "viewer, operator, deployer, admin or an own role"),
  );
  lazily(add, finish, io, async () => ({ run: (await import("./commands/user.ts")).add }), ["name"]);
  const list = user
    .command("ls")
    .alias("list")
    .summary("list users")
    .description("Lists the users, their roles, and who has a second factor.")
    .addOption(json());
  lazily(list, finish, io, () => import("./commands/user-ls.ts"));
  const role = addBinding(
    user
      .command("role <name> <role>")
      .summary("give a user another role")
      .description("Gives a user another role, and another reach. His sessions end."),
  );
  lazily(role, finish, io, async () => ({ run: (await import("./commands/user.ts")).role }), ["name", "role"]);
  const passwd = user
    .command("passwd [name]")
    .summary("set a new password, your own or a user's")
    .description(
      "Sets your own password, for which the present one is asked; or with NAME that of a user, which takes user:manage. All sessions end. Without a terminal each answer is a line of standard input.",
    );
  lazily(passwd, finish, io, async () => ({ run: (await import("./commands/user.ts")).passwd }), ["name"]);
  for (const enabled of [false, true]) {
    const command = user
      .command(`${enabled ? "enable" : "disable"} <name>`)
      .summary(enabled ? "let a user in again" : "let a user in no more; his sessions end")
      .description(
        enabled ? "Lets a user in again." : "Lets a user in no more, and ends his sessions. API tokens are not his.",
      );
    const load = async () => {
      const { setEnabled } = await import("./commands/user.ts");
      return { run: (given: Io, options: { name: string }) => setEnabled(given, options, enabled) };
    };
    lazily(command, finish, io, load, ["name"]);
  }
  const remove = user
    .command("rm <name>")
    .summary("remove a user")
    .description("Removes a user, and ends his sessions. Asks for the name to be typed, unless --yes is given.")
    .option("-y, --yes", "do not ask");
  lazily(remove, finish, io, async () => ({ run: (await import("./commands/user.ts")).remove }), ["name"]);
  addTotp(user, finish, io);
}

function addTotp(user: Command, finish: Finish, io: Io): void {
  const totp = user
    .command("totp")
    .summary("second factor: enable, disable, recovery, reset")
    .description("A second factor: a code of an authenticator app (TOTP) beside the password.");
  const enable = totp
    .command("enable")
    .summary("switch your own on")
    .description("Shows the secret for an app, asks for the first code, and shows ten recovery codes.");
  lazily(enable, finish, io, async () => ({ run: (await import("./commands/user-totp.ts")).enable }));
  const disable = totp
    .command("disable")
    .summary("switch your own off")
    .description("Switches your own second factor off; takes the password and a code.");
  lazily(disable, finish, io, async () => ({ run: (await import("./commands/user-totp.ts")).disable }));
  const recovery = totp
    .command("recovery")
    .summary("get new recovery codes")
    .description("Shows ten new recovery codes; those of before count no more. Takes the password and a code.");
  lazily(recovery, finish, io, async () => ({ run: (await import("./commands/user-totp.ts")).recovery }));
  const reset = totp
    .command("reset <name>")
    .summary("take away that of a user who lost it")
    .description("Takes away a user's second factor, for who lost the phone and the recovery codes.");
  lazily(reset, finish, io, async () => ({ run: (await import("./commands/user-totp.ts")).reset }), ["name"]);
}

function addApiTokens(program: Command, finish: Finish, io: Io): void {
  const token = program
    .command("api-token")
    .summary("API tokens for people and programs: create, ls, rm")
    .description("API tokens let people and programs in, each with a role. Machines join with: skerry token.");
  const create = token
    .command("create")
    .summary("make a token with a role; it is shown once")
    .description(
      "Makes an API token and shows it, this once. With --app and --node-label its role reaches only these apps, and nodes with one of these labels; without both, everything. You cannot give what you do not hold.",
    )
    .requiredOption("--name <name>", "whose it is; stands in the events beside what is done with it")
    .requiredOption("--role <role>", "viewer, operator, deployer, admin or an own role")
    .option("--app <app>", "only this app; may be given several times", collect)
    .option("--node-label <key=value>", "only nodes with it; may be given several times", collect)
    .option("--expires <duration>", "for how long (90d)")
    .addOption(json());
  lazily(create, finish, io, () => import("./commands/api-token-create.ts"));
  const list = token
    .command("ls")
    .alias("list")
    .summary("list tokens, and when each was last used")
    .description("Lists the API tokens, without their secrets, and when each was last used.")
    .addOption(json());
  lazily(list, finish, io, () => import("./commands/api-token-ls.ts"));
  const remove = token
    .command("rm <name>")
    .summary("remove a token; who uses it is out at once")
    .description("Removes an API token, by name or id. What is open with it is closed.");
  lazily(remove, finish, io, () => import("./commands/api-token-rm.ts"), ["name"]);
}

const VALUE_WORDS = {
  secret:
    "Kept encrypted, given only to nodes that run an app which uses it, and there in memory alone. It is never shown again.",
  config: "As a secret, but shown to whoever may see the app.",
} as const;

function addValues(program: Command, finish: Finish, io: Io): void {
  for (const kind of ["secret", "config"] as const) {
    const command = program
      .command(kind)
      .summary(kind === "secret" ? "secrets for apps: set, ls, rm, rotate-keys" : "configs for apps: set, ls, cat, rm")
      .description(
        `A ${kind} is a file in containers, named in a Compose file with \`external: true\`. ${VALUE_WORDS[kind]}`,
      );
    const set = command
      .command("set <name>")
      .summary(`set a ${kind}, from a file or standard input`)
      .description(
        `Sets a ${kind}: the value is read from FILE, from standard input, or asked for. Each app that uses it gets a new revision at once, which rolls out like any change. With --app only these apps may use it; without, apps that are deployed by somebody who may deploy all.`,
      )
      .option("--file <file>", "read the value from a file")
      .option("--app <app>", "only for this app; may be given several times", collect)
      .addOption(json());
    lazily(
      set,
      finish,
      io,
      async () => {
        const { set: run } = await import("./commands/value.ts");
        return { run: (given: Io, options: SetOptions) => run(given, kind, options) };
      },
      ["name"],
    );
    const list = command
      .command("ls")
      .alias("list")
      .summary(`list ${kind}s, and which apps use them`)
      .description(`Lists the ${kind}s, without what is in them.`)
      .addOption(json());
    lazily(list, finish, io, async () => {
      const { list: run } = await import("./commands/value.ts");
      return { run: (given: Io, options: HubOptions) => run(given, kind, options) };
    });
    const remove = command
      .command("rm <name>")
      .summary(`remove a ${kind} that no app uses`)
      .description(`Removes a ${kind}. One that an app uses is refused: take it out of the file first.`);
    lazily(
      remove,
      finish,
      io,
      async () => {
        const { remove: run } = await import("./commands/value.ts");
        return { run: (given: Io, options: NameOptions) => run(given, kind, options) };
      },
      ["name"],
    );
    if (kind === "secret") addRotateKeys(command, finish, io);
    else addCat(command, finish, io);
  }
}

function addRegistry(program: Command, finish: Finish, io: Io): void {
  const command = program
    .command("registry")
    .summary("credentials for image registries: login, ls, rm")
    .description(
      "A registry credential is the user and password by which nodes pull images of one registry. It is kept encrypted, and given only to nodes that run an app which is pulled by it. There is one for each registry.",
    );
  const login = command
    .command("login <registry>")
    .summary("set the credential for a registry, its password from a file or standard input")
    .description(
      "Sets the credential for a registry, by its host as in images' names (docker.io for images that name none). The password is read from FILE, from standard input, or asked for. Nothing is restarted: nodes use it at their next pull. With --app only images of these apps are pulled by it; without, it stays for whom it was, and a new one is for apps that are deployed by somebody who may deploy all.",
    )
    .requiredOption("--user <user>", "the user's name at the registry")
    .option("--file <file>", "read the password from a file")
    .option("--app <app>", "only for this app; may be given several times", collect)
    .addOption(json());
  lazily(login, finish, io, async () => ({ run: (await import("./commands/registry.ts")).login }), ["registry"]);
  const list = command
    .command("ls")
    .alias("list")
    .summary("list registry credentials, and which apps are pulled by them")
    .description("Lists the registry credentials, without their passwords.")
    .addOption(json());
  lazily(list, finish, io, async () => ({ run: (await import("./commands/registry.ts")).list }));
  const remove = command
    .command("rm <registry>")
    .alias("logout")
    .summary("remove the credential for a registry")
    .description(
      "Removes the credential for a registry, from the nodes too. What runs goes on; an image that is not on a node yet is pulled without it.",
    );
  lazily(remove, finish, io, async () => ({ run: (await import("./commands/registry.ts")).remove }), ["registry"]);
}

function addCat(command: Command, finish: Finish, io: Io): void {
  const cat = command
    .command("cat <name>")
    .summary("show what is in a config")
    .description("Shows what is in a config; with --app one that came with that app's file.")
    .option("--app <app>", "of this app's own");
  lazily(cat, finish, io, async () => ({ run: (await import("./commands/value.ts")).cat }), ["name"]);
}

function addRotateKeys(command: Command, finish: Finish, io: Io): void {
  const rotate = command
    .command("rotate-keys")
    .summary("make a new key for what the hub keeps encrypted")
    .description(
      "Makes a new key in the hub's file secret-keys, puts all secrets, configs and registry credentials under it, and forgets the older ones. Nothing is rolled out. Keep a copy of that file, apart from the database: without it the secrets in a backup are lost.",
    );
  lazily(rotate, finish, io, async () => ({ run: (await import("./commands/value.ts")).rotateKeys }));
}

function addRest(program: Command, finish: Finish, io: Io): void {
  const token = program
    .command("token")
    .summary("join tokens for machines: create, ls, rm")
    .description(
      "Join tokens let machines become nodes. People and programs come in with API tokens: skerry api-token.",
    );
  const create = token
    .command("create")
    .summary("make a token; its secret is shown once")
    .description("Makes a join token and shows it, this once, with the command to run on the node.")
    .option("--uses <n>", "how many nodes may join with it (1)", whole)
    .option("--expires <duration>", "for how long (24h)")
    .option("--label <key=value>", "a label for nodes that join with it; may be given several times", collect)
    .option("--approve", "nodes that join with it are given nothing until `skerry node approve`")
    .addOption(json());
  lazily(create, finish, io, () => import("./commands/token-create.ts"));
  const list = token
    .command("ls")
    .alias("list")
    .summary("list tokens, without their secrets")
    .description("Lists the join tokens that are still good.")
    .addOption(json());
  lazily(list, finish, io, () => import("./commands/token-ls.ts"));
  const remove = token
    .command("rm <id>")
    .summary("withdraw a token; nodes that joined with it stay")
    .description("Withdraws a join token. Nodes that have joined with it stay.");
  lazily(remove, finish, io, () => import("./commands/token-rm.ts"), ["id"]);
  const version = program
    .command("version")
    .summary("versions of this program and of the hub")
    .description("Shows the versions of this program and of the hub.")
    .addOption(json());
  lazily(version, finish, io, () => import("./commands/version.ts"));
  const completion = program
    .command("completion <shell>")
    .summary("shell completion for bash, zsh or fish")
    .description("Prints a script that completes this program's commands and options in your shell.");
  lazily(
    completion,
    finish,
    io,
    async () => {
      const { printScript } = await import("./completion.ts");
      return { run: (given: Io, options: { shell: string }) => printScript(program, given, options.shell) };
    },
    ["shell"],
  );
}

export function exitCodeOf(commanderExitCode: number): ExitCode {
  // Help and version end well; everything else that commander ends is a wrong word.
  return commanderExitCode === 0 ? EXIT.done : EXIT.usage;
}
