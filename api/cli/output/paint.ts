import picocolors from 'picocolors';
import type { Context } from '../context.ts';

type Paint = (text: string) => string;

/** Gives a table its colours, or none. */
export interface Painter {
  header: Paint;
  /** The colour for a cell of the column `name`. */
  cell(name: string, text: string): Paint;
  bad: Paint;
}

/** Colour for a terminal; never where NO_COLOR is set (no-color.org) or the terminal is dumb. */
export function painterFor({ stdout, env }: Pick<Context, 'stdout' | 'env'>): Painter {
  const noColor = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '';
  return painter(stdout.isTerminal && !noColor && env['TERM'] !== 'dumb');
}

const stateColumns = new Set(['Phase', 'Status', 'Ready', 'Type', 'Verdict']);
const good = new Set(['Running', 'Ready', 'Active', 'Finished', 'True', 'Assigned']);
const bad = /^(?:Failed|Killed|Unreachable|Stalled.*|Missing|Mismatch|Rejected|Inactive.*)$/;
const busy =
  /^(?:Pending|Launching|Starting|Stopping|Reconciling|NotReady|Terminating|False|Unknown|Warning|.*Unschedulable)$/;

export function painter(colour: boolean): Painter {
  const colours = picocolors.createColors(colour);
  return {
    header: colours.bold,
    bad: colours.red,
    cell: (name, text) => {
      if (!stateColumns.has(name)) return plain;
      if (good.has(text) || isFull(text)) return colours.green;
      if (bad.test(text)) return colours.red;
      return busy.test(text) || text.includes('/') ? colours.yellow : plain;
    },
  };
}

/** `3/3`: all of them. */
function isFull(text: string): boolean {
  const [part, whole] = text.split('/');
  return whole !== undefined && part === whole;
}

function plain(text: string): string {
  return text;
}
