// The demo's terminal: lines that stay, and below them a live panel that is drawn over itself. Without a terminal only the lines
// and, after each step, the panel once. It shows; it decides nothing.
import { stripVTControlCharacters } from "node:util";
import pc from "picocolors";

/** Wide enough for three columns of states, narrow enough to be read. */
const WIDTH = 80;

export class Screen {
  readonly #live: boolean;
  readonly #out: NodeJS.WriteStream;
  #panel: readonly string[] = [];
  /** Lengths of the panel's lines on the screen. */
  #drawn: readonly number[] = [];

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    this.#live = out.isTTY === true;
  }

  say(text: string): void {
    this.#erase();
    for (const line of wrap(text, Math.min(WIDTH, this.#columns))) this.#out.write(`${line}\n`);
    this.#draw();
  }

  heading(number: number, text: string): void {
    this.say("");
    this.say(pc.bold(`${number}. ${text}`));
  }

  passed(text: string, seconds: number): void {
    this.say(`   ${pc.green("✔")} ${text} ${pc.dim(`(${seconds.toFixed(1)}\u00a0s)`)}`);
  }

  failed(text: string): void {
    this.say(`   ${pc.red("✘")} ${text}`);
  }

  /** Replaces the live panel. */
  show(panel: readonly string[]): void {
    this.#erase();
    this.#panel = panel;
    this.#draw();
  }

  /** Leaves the panel as it is in the scroll-back; without a terminal, prints it now. */
  keepPanel(): void {
    if (this.#live) {
      this.#drawn = [];
    } else {
      for (const line of this.#panel) this.#out.write(`${line}\n`);
    }
    this.#panel = [];
  }

  get #columns(): number {
    return (this.#live && this.#out.columns) || WIDTH;
  }

  /** Some terminals (a log recorder, a serial line) do not know their size: it is 0 there. */
  get #rows(): number {
    return this.#out.rows || Number.POSITIVE_INFINITY;
  }

  #erase(): void {
    // A terminal that was made narrower since has broken the lines in two.
    const rows = this.#drawn.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / this.#columns)), 0);
    if (rows > 0) this.#out.write(`\u001b[${rows}A\r\u001b[0J`);
    this.#drawn = [];
  }

  /** Each line takes one row, and all of them fit: what has left the screen cannot be drawn over. */
  #draw(): void {
    if (!this.#live) return;
    const lines = this.#panel.slice(0, this.#rows - 1).map((line) => cut(line, this.#columns));
    for (const line of lines) this.#out.write(`${line}\n`);
    this.#drawn = lines.map(lengthOf);
  }
}

const lengthOf = (text: string): number => stripVTControlCharacters(text).length;

/** Without its colours when it is too long: they may end in what is cut away. */
function cut(line: string, width: number): string {
  return lengthOf(line) <= width ? line : `${stripVTControlCharacters(line).slice(0, width - 1)}…`;
}

function wrap(text: string, width: number): readonly string[] {
  const indent = /^ */.exec(text)?.[0] ?? "";
  const lines: string[] = [];
  let line = "";
  for (const word of text.slice(indent.length).split(" ")) {
    if (line !== "" && indent.length + lengthOf(line) + 1 + lengthOf(word) > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line];
}
