// The engine's complaint → plain words with the next step, and the engine's own words, shortened, behind them. Pure. Only for people:
// what to do about a failure is decided from the engine's own words (docker-errors), never from these.
import type { PullFailure } from "@skerry/shared/model/report.ts";

/** Of the engine's own words: enough to search the web for, few enough to leave the plain ones readable. The cause stands at the end. */
const MAX_RAW_LENGTH = 90;
/** What wraps the one part that says something; each was seen from a real engine. */
const WRAPPINGS =
  /^(?:\(HTTP code \d+\) [a-z ]+ - |failed to create (?:shim )?task(?: for container)?: |OCI runtime create failed: |runc create failed: |container_linux\.go:\d+: |starting container process caused: |unable to start container process: |error during container init: |driver failed programming external connectivity on endpoint \S+ \([0-9a-f]+\): |Error response from daemon: )+/;

const KNOWN: readonly (readonly [RegExp, (found: readonly string[]) => string])[] = [
  [
    /exec: "([^"]*)": (?:executable file not found|stat \S+ no such file|no such file)/,
    ([, command]) => `its image has no command "${command}": correct command or entrypoint in the file`,
  ],
  [
    /exec: "([^"]*)": (?:.*: )?permission denied/,
    ([, command]) => `"${command}" in its image may not be executed: make it executable, or run it by a shell`,
  ],
  [/exec format error/, () => "its image is for another processor than this node's: use an image made for it"],
  [
    /(?:Bind for|listen (?:tcp|udp)\d?) \S*?:(\d+)(?: failed)?: (?:port is already allocated|bind: address already in use)/,
    ([, port]) => `port ${port} of this node is taken by something else: stop that, or publish another port`,
  ],
  [
    /bind source path does not exist: (\S+)/,
    ([, path]) => `this node has no ${path}: make it, mount the disk that holds it, or change the volume`,
  ],
  [/no space left on device/, () => "this node's disk is full: free some space"],
  [
    /manifest (?:for \S+ )?(?:not found|unknown)/,
    () => "the registry has no such image or tag: correct the name, or push it",
  ],
  [/no matching manifest for (\S+)/, ([, kind]) => `the image is not made for ${kind}, which this node is`],
  [
    /pull access denied|unauthorized|authentication required|denied: |no basic auth/,
    () => "the registry does not give it out: it does not exist there, or needs a login",
  ],
  [/toomanyrequests|rate limit/i, () => "the registry has had too many requests from here: it is tried again later"],
  [/x509|certificate/, () => "the registry's certificate is not trusted on this node (or its clock is wrong)"],
  [
    /lookup (\S+?)(?: on \S+)?: .*(?:no such host|server misbehaving|network is unreachable|i\/o timeout|connection refused|temporary failure)/i,
    ([, host]) => `this node cannot find ${host}: check the name, and the node's link and name service`,
  ],
  [
    /network is unreachable|no route to host|connection refused|i\/o timeout|TLS handshake timeout|Client\.Timeout/,
    () => "this node does not reach the registry: check its link, and that the registry is up",
  ],
];

/** The engine's words alone, without what wraps them. */
export function unwrapped(message: string): string {
  return message.replace(WRAPPINGS, "").replace(/: unknown\.?$/, "");
}

/** `what` was tried and the engine answered `message`: one line for a person. */
export function plainly(what: string, message: string): string {
  const said = unwrapped(message);
  for (const [pattern, words] of KNOWN) {
    const found = pattern.exec(said);
    if (found !== null) return `${words(found)} (engine: ${shortened(said)})`;
  }
  return `${what}: ${said}`;
}

/** Of a pull that was refused, `said` being what `plainly` made of it: the registry, what it was shown, and the engine's own words. */
export function notGivenOut(registry: string, hadCredential: boolean, said: string): string {
  const engine = / \(engine: .*\)$/s.exec(said)?.[0] ?? "";
  return hadCredential
    ? `registry ${registry} refused the credential that it was shown, or has no such image for it${engine}`
    : `registry ${registry} does not give it out and was shown no credential: it needs one, or has no such image${engine}`;
}

/** The engine's words of a failed pull, wrapped or not, → why the image did not come. */
export function pullFailure(message: string): PullFailure {
  if (/toomanyrequests|rate limit/i.test(message)) return "too-many-requests";
  if (/no space left on device/i.test(message)) return "disk-full";
  if (/x509|certificate/i.test(message)) return "untrusted";
  if (/manifest (?:for \S+ )?(?:not found|unknown)|name unknown|repository name not known/i.test(message))
    return "not-found";
  if (/no matching manifest for|does not match the specified platform|image operating system/i.test(message))
    return "wrong-architecture";
  if (/pull access denied|unauthorized|authentication required|denied: |no basic auth/i.test(message))
    return "unauthorised";
  if (
    /no such host|server misbehaving|network is unreachable|no route to host|connection re(?:fused|set)|i\/o timeout|TLS handshake timeout|Client\.Timeout|unexpected EOF|: EOF/i.test(
      message,
    )
  )
    return "unreachable";
  return "other";
}

const shortened = (text: string): string =>
  text.length <= MAX_RAW_LENGTH ? text : `…${text.slice(1 - MAX_RAW_LENGTH)}`;
